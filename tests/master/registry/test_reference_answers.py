"""Refusals, word for word as a kube-apiserver gives them; `tools.compare_apis` finds more."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ANSWERS = yaml.safe_load(Path(__file__).with_name("reference_answers.yaml").read_text())


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: f"{answer['example']}-{answer['refusal'][:60]}")
async def test_refusals_are_those_of_kubernetes(examples: Any, answer: dict[str, Any]) -> None:
    message = await examples.refusal(answer["example"], answer["change"])
    assert message.partition(" is invalid: ")[2] == answer["refusal"]
