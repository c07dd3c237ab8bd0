"""The official v2 client, azure-ai-formrecognizer 3.3.3, against the simulator, unchanged."""

from __future__ import annotations

import pytest
from azure.ai.formrecognizer import FormRecognizerClient, FormTrainingClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from local.simulator import ResourceSpec, Simulator, v2_composed_model, v2_model
from local.simulator.models import DEFAULT_FIELDS

MODEL = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
PART = "5b1d2b3c-2c9e-4c56-8f53-0d6e1c9f7a10"
UNKNOWN = "00000000-0000-0000-0000-000000000000"


def client(
    simulator: Simulator, name: str, version: str = "2.1", *, key: str | None = None, retries: int = 3
) -> FormTrainingClient:
    return FormTrainingClient(
        simulator.endpoint(name),
        AzureKeyCredential(key or f"{name}-key"),
        api_version=version,
        polling_interval=0.02,
        retry_total=retries,
    )


def spec(simulator: Simulator, name: str) -> ResourceSpec:
    return simulator.resource(name).spec


def authorize(simulator: Simulator, version: str = "2.1") -> dict[str, str | int]:
    target = spec(simulator, "target")
    return dict(client(simulator, "target", version).get_copy_authorization(target.resource_id, target.region))


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_a_model_is_copied_to_the_other_region(live: Simulator, version: str) -> None:
    live.resource("source").put_model(v2_model(MODEL, api_version=f"v{version}", name="Invoices"))
    permission = authorize(live, version)

    copied = client(live, "source", version).begin_copy_model(MODEL, permission).result()

    assert copied.model_id == permission["modelId"]
    details = client(live, "target", version).get_custom_model(copied.model_id)
    original = client(live, "source", version).get_custom_model(MODEL)
    assert details.status == "ready"
    assert details.training_started_on == original.training_started_on
    assert [item.name for item in details.training_documents] == [item.name for item in original.training_documents]
    assert details.submodels[0].accuracy == original.submodels[0].accuracy


def test_a_composed_model_is_copied_as_one(live: Simulator) -> None:
    parts = {MODEL: {"Total": 0.9}, PART: {"Tip": 0.8}}
    composed = v2_composed_model("7d3ae4c4-4f1c-4b44-8ef5-52a3b0d1c2aa", parts=parts, name="Mail")
    live.resource("source").put_model(composed)
    permission = authorize(live)

    copied = client(live, "source").begin_copy_model(composed.model_id, permission).result()

    details = client(live, "target").get_custom_model(copied.model_id)
    assert details.properties.is_composed_model
    assert details.model_name == "Mail"
    assert {item.model_id for item in details.submodels} == {MODEL, PART}


def test_models_are_composed_into_one(live: Simulator) -> None:
    for model_id in (MODEL, PART):
        live.resource("source").put_model(v2_model(model_id))
    training = client(live, "source")

    composed = training.begin_create_composed_model([MODEL, PART], model_name="Both").result()

    assert composed.model_name == "Both"
    assert composed.status == "ready"
    with pytest.raises(HttpResponseError) as refused:
        training.begin_create_composed_model([MODEL, UNKNOWN])
    assert refused.value.error is not None
    assert refused.value.error.code == "1001"


def test_the_list_has_the_models_of_all_pages(live: Simulator) -> None:
    source = live.resource("source")
    source.set_limits(page_size=4)
    ids = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(23)]
    for model_id in ids:
        source.put_model(v2_model(model_id))

    listed = [item.model_id for item in client(live, "source").list_custom_models()]

    assert listed == ids
    assert len(source.requests("listModels")) > 5


def test_a_model_is_deleted_and_gone(live: Simulator) -> None:
    live.resource("source").put_model(v2_model(MODEL))
    training = client(live, "source")

    training.delete_model(MODEL)

    with pytest.raises(ResourceNotFoundError) as missing:
        training.get_custom_model(MODEL)
    assert missing.value.error is not None
    assert missing.value.error.code == "1022"
    with pytest.raises(ResourceNotFoundError):
        training.delete_model(MODEL)


def test_the_account_has_its_count_and_limit(live: Simulator) -> None:
    live.resource("source").put_model(v2_model(MODEL))

    account = client(live, "source").get_account_properties()

    assert (account.custom_model_count, account.custom_model_limit) == (1, 20_000)


def test_a_wrong_key_is_refused(live: Simulator) -> None:
    with pytest.raises(ClientAuthenticationError) as refused:
        list(client(live, "source", key="wrong").list_custom_models())
    assert "invalid subscription key" in str(refused.value)


def test_a_wrong_region_fails_while_polling(live: Simulator) -> None:
    live.resource("source").put_model(v2_model(MODEL))
    permission = authorize(live) | {"resourceRegion": "eastus"}

    poller = client(live, "source").begin_copy_model(MODEL, permission)

    with pytest.raises(HttpResponseError) as failed:
        poller.result()
    assert "specified region 'eastus'" in str(failed.value)


def test_a_region_in_capitals_is_accepted(live: Simulator) -> None:
    live.resource("source").put_model(v2_model(MODEL))
    permission = authorize(live)
    permission["resourceRegion"] = str(permission["resourceRegion"]).upper()

    assert client(live, "source").begin_copy_model(MODEL, permission).result().status == "ready"


def test_an_unknown_source_model_is_an_internal_error(live: Simulator) -> None:
    with pytest.raises(HttpResponseError) as failed:
        client(live, "source", retries=0).begin_copy_model(UNKNOWN, authorize(live))
    assert failed.value.status_code == 500
    assert failed.value.error is not None
    assert failed.value.error.code == "1999"


def test_an_empty_id_is_refused_by_the_client(live: Simulator) -> None:
    with pytest.raises(ValueError, match="model_id"):
        client(live, "source").get_custom_model("")
    assert live.resource("source").requests() == []


def test_a_429_is_retried_after_the_wait(live: Simulator) -> None:
    source = live.resource("source")
    source.put_model(v2_model(MODEL))
    source.inject("startCopy", "status", status=429, headers={"Retry-After": "0"})
    source.inject("getCopyResult", "status", status=429, headers={"Retry-After": "0"})

    copied = client(live, "source").begin_copy_model(MODEL, authorize(live)).result()

    assert copied.status == "ready"
    assert [entry.status for entry in source.requests("startCopy")] == [429, 202]


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_a_copy_analyzes_a_document(live: Simulator, version: str) -> None:
    live.resource("source").put_model(v2_model(MODEL, api_version=f"v{version}", name="Invoices"))
    permission = authorize(live, version)
    client(live, "source", version).begin_copy_model(MODEL, permission).result()
    recognizer = FormRecognizerClient(
        live.endpoint("target"), AzureKeyCredential("target-key"), api_version=version, polling_interval=0.02
    )

    (form,) = recognizer.begin_recognize_custom_forms(str(permission["modelId"]), b"%PDF-1.7").result()

    assert form.model_id == permission["modelId"]
    assert {name: field.confidence for name, field in form.fields.items()} == dict(DEFAULT_FIELDS)
    with pytest.raises(HttpResponseError, match="not found"):
        recognizer.begin_recognize_custom_forms(UNKNOWN, b"%PDF-1.7")
