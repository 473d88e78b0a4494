"""Checks for duplicates take one pass: a body may hold as many items as fit into it."""

from collections.abc import Callable, Iterator
from time import process_time
from typing import Any

import pytest

from master.registry.kinds.runtimeclass import RuntimeClasses
from master.registry.validation import certificates, devices
from timonel.api.fields import ErrorType, FieldError, Path
from timonel.api.types import certificates_v1, core_v1, node_v1, resource_v1

MANY = 10_000
SECONDS = 1
"""Far more than one pass takes, far less than a quadratic check does."""


def _choices() -> Iterator[FieldError]:
    choices = [resource_v1.DeviceSubRequest(name=f"n{i}", deviceClassName="c") for i in range(MANY)]
    request = resource_v1.DeviceRequest(name="r", firstAvailable=[*choices, choices[0]])
    return devices.validate_claim(resource_v1.DeviceClaim(requests=[request]), Path("spec"))


def _names() -> Iterator[FieldError]:
    names = [f"n{i}" for i in range(MANY)]
    constraint = resource_v1.DeviceConstraint(requests=[*names, names[0]], matchAttribute="a/b")
    return devices.validate_claim(resource_v1.DeviceClaim(constraints=[constraint]), Path("spec"))


def _tolerations() -> Iterator[FieldError]:
    tolerations = [core_v1.Toleration(key=f"k{i}", operator="Exists") for i in range(MANY)]
    scheduling = node_v1.Scheduling(tolerations=[*tolerations, tolerations[0]])
    return RuntimeClasses().validate(node_v1.RuntimeClass(handler="h", scheduling=scheduling), None)


def _conditions() -> Iterator[FieldError]:
    conditions = [certificates_v1.CertificateSigningRequestCondition(type=f"t{i}", status="True") for i in range(MANY)]
    status = certificates_v1.CertificateSigningRequestStatus(conditions=[*conditions, conditions[0]])
    return certificates.validate_change(status, certificates_v1.CertificateSigningRequestStatus())


@pytest.mark.parametrize("check", [_choices, _names, _tolerations, _conditions])
def test_duplicates_are_found_in_one_pass(check: Callable[[], Any]) -> None:
    before = process_time()
    faults = list(check())
    assert process_time() - before < SECONDS
    assert [fault for fault in faults if fault.type is ErrorType.DUPLICATE]
