"""Joining: who has a right token gets its own name's certificate; who has not is told why."""

import asyncio
from datetime import timedelta
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from master.pki import KeyPair
from timonel.rpc import node_pb2, node_pb2_grpc


async def refused(master: Any, node: str, token: str, csr: bytes | None = None) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await master.join(node, token, csr)
    return error.value.code(), error.value.details() or ""


async def test_a_token_gives_a_certificate_that_opens_a_session(master: Any) -> None:
    token = await master.token()
    key = ec.generate_private_key(ec.SECP256R1())
    credentials = await master.join("n1", str(token), master.request_for("n1", key))
    assert credentials.ca_pem == master.pki.ca_pem
    pair = KeyPair(credentials.certificate_pem, master.key_pem(key))
    await master.connect("n1", await master.stub(pair))
    assert master.dispatcher.connected("n1")


async def test_wrong_tokens_are_refused_each_for_its_reason(master: Any) -> None:
    code, text = await refused(master, "n1", "abcdef.0123456789abcdef")
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert "not valid" in text

    code, text = await refused(master, "n1", "garbage")
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert "has the form" in text

    expired = await master.token(timedelta(seconds=-1))
    code, text = await refused(master, "n1", str(expired))
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert "expired at" in text


async def test_a_token_for_one_node_admits_one(master: Any) -> None:
    token = str(await master.token(uses=1))
    outcomes = await asyncio.gather(*(master.join(f"n{i}", token) for i in range(4)), return_exceptions=True)
    assert sum(isinstance(outcome, node_pb2.Credentials) for outcome in outcomes) == 1
    code, text = await refused(master, "n9", token)
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert "used up" in text


async def test_what_is_refused_uses_nothing_up(master: Any) -> None:
    token = str(await master.token(uses=1))
    key = ec.generate_private_key(ec.SECP256R1())
    code, text = await refused(master, "n1", token, master.request_for("n2", key))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "system:node:n1" in text
    code, _ = await refused(master, "n1", token, b"garbage")
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    code, _ = await refused(master, "Not A Name", token)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    await master.join("n1", token)


async def test_the_name_of_a_connected_node_is_not_given_away(master: Any) -> None:
    token = str(await master.token())
    await master.connect("n1")
    code, text = await refused(master, "n1", token)
    assert code is grpc.StatusCode.ALREADY_EXISTS
    assert "n1 is connected" in text


async def test_a_node_renews_its_own_certificate_only(master: Any) -> None:
    stub = await master.stub(master.certificate("n1"))
    key = ec.generate_private_key(ec.SECP256R1())
    renewed = await stub.Renew(node_pb2.RenewRequest(csr_pem=master.request_for("n1", key)), timeout=5)
    certificate = x509.load_pem_x509_certificate(renewed.certificate_pem)
    assert certificate.public_key() == key.public_key()
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stub.Renew(node_pb2.RenewRequest(csr_pem=master.request_for("n2", key)), timeout=5)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_without_a_certificate_only_joining_is_open(master: Any) -> None:
    stub = node_pb2_grpc.NodeStub(await master.channel(None, master.dispatcher.node_port))
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stub.Renew(node_pb2.RenewRequest(), timeout=5)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_users_certificate_is_not_a_nodes(master: Any) -> None:
    stub = await master.stub(master.pki.issue_client("alice", ["system:nodes"]))
    session = await master.open(stub)
    code, text = await session.refusal()
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert "alice" in text
