"""Realistic models for a start: ``demo`` to try the service, ``night`` for the backup of a whole resource."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from local.simulator.models import (
    DEFAULT_TRAINED,
    StoredModel,
    classifier,
    v2_composed_model,
    v2_model,
    v3_model,
    v4_composed_model,
    v4_model,
)

FIRST_MODEL_ID = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
"""The model that the article copies, and that all examples copy."""

_SPACE = uuid.UUID("6f1d2f0e-2b0a-5a4d-9a43-6d0c1f9a7b11")

INVOICE: Mapping[str, float] = {
    "InvoiceId": 0.995,
    "InvoiceDate": 0.98,
    "VendorName": 0.942,
    "VendorTaxId": 0.9,
    "CustomerName": 0.967,
    "SubTotal": 0.951,
    "TotalTax": 0.933,
    "Total": 0.966,
}
RECEIPT: Mapping[str, float] = {"MerchantName": 0.982, "TransactionDate": 0.971, "Tip": 0.88, "Total": 0.964}
ORDER: Mapping[str, float] = {
    "PurchaseOrderNumber": 0.99,
    "OrderDate": 0.97,
    "Merchant": 0.93,
    "Quantity": 0.914,
    "ShippedTo": 0.895,
    "Total": 0.95,
}
DELIVERY: Mapping[str, float] = {"DeliveryNoteNumber": 0.98, "DeliveryDate": 0.957, "Carrier": 0.921, "Signature": 0.87}
CONTRACT: Mapping[str, float] = {"PartyA": 0.91, "PartyB": 0.904, "EffectiveDate": 0.942, "Jurisdiction": 0.86}
CLAIM: Mapping[str, float] = {"PolicyNumber": 0.987, "ClaimDate": 0.965, "DamageAmount": 0.931, "Cause": 0.842}

_V2_DEMO: tuple[tuple[str, str, Mapping[str, float], int], ...] = (
    ("Supplier invoices", "v2.1", INVOICE, 12),
    ("Shop receipts", "v2.1", RECEIPT, 8),
    ("Purchase orders", "v2.1", ORDER, 10),
    ("Delivery notes", "v2.1", DELIVERY, 6),
    ("Framework contracts", "v2.1", CONTRACT, 5),
    ("Damage claims", "v2.1", CLAIM, 9),
    ("Utility bills", "v2.0", INVOICE, 7),
    ("Fuel receipts", "v2.0", RECEIPT, 5),
    ("Customs declarations", "v2.0", ORDER, 11),
    ("Freight bills", "v2.0-preview", DELIVERY, 5),
    ("Hotel invoices", "v2.1", INVOICE, 6),
)


def model_uuid(name: str) -> str:
    """Return the id of the seeded v2 model of this name, which is always the same."""
    return str(uuid.uuid5(_SPACE, name))


def _documents(name: str, count: int) -> tuple[str, ...]:
    stem = name.lower().replace(" ", "-")
    return tuple(f"{stem}/{number:03d}.pdf" for number in range(1, count + 1))


def _trained(day: int) -> datetime:
    return DEFAULT_TRAINED + timedelta(days=day, minutes=17 * day, seconds=day)


def v2_demo() -> list[StoredModel]:
    """Return eleven ready v2 models, the first with the article's id; and one in training, one that failed, one
    composed."""
    models: list[StoredModel] = []
    for number, (name, version, fields, pages) in enumerate(_V2_DEMO):
        model_id = FIRST_MODEL_ID if number == 0 else model_uuid(name)
        models.append(
            v2_model(
                model_id,
                api_version=version,
                name=name if version == "v2.1" else None,
                fields=fields,
                documents=_documents(name, pages),
                trained=_trained(number),
            )
        )
    models.append(v2_model(model_uuid("Still training"), name="Still training", state="creating", trained=_trained(60)))
    models.append(
        v2_model(model_uuid("Training failed"), name="Training failed", state="invalid", trained=_trained(58))
    )
    models.append(
        v2_composed_model(
            model_uuid("All incoming mail"),
            parts={FIRST_MODEL_ID: INVOICE, model_uuid("Shop receipts"): RECEIPT, model_uuid("Purchase orders"): ORDER},
            name="All incoming mail",
            trained=_trained(30),
        )
    )
    return models


def v3_and_v4_demo() -> list[StoredModel]:
    """Return models of 2022-08-31, 2023-07-31 and 2024-11-30, a v4 classifier, and a model composed with it."""
    return [
        v3_model(
            "bank-statements",
            api_version="2022-08-31",
            fields=RECEIPT,
            description="Statements of three banks",
            tags={"owner": "finance"},
            trained=_trained(20),
        ),
        v3_model(
            "incoming-mail-2022",
            api_version="2022-08-31",
            doc_types={"bank-statements": RECEIPT, "reminders": INVOICE},
            description="Statements and reminders",
            trained=_trained(21),
        ),
        v3_model(
            "rental-contracts",
            api_version="2023-07-31",
            fields=CONTRACT,
            build_mode="neural",
            description="Rental contracts, any layout",
            tags={"owner": "legal", "stage": "production"},
            trained=_trained(25),
        ),
        v4_model(
            "invoices-v4",
            fields=INVOICE,
            description="Supplier invoices, fourth generation",
            tags={"owner": "finance", "stage": "production"},
            trained=_trained(40),
        ),
        v4_model("receipts-v4", fields=RECEIPT, build_mode="neural", tags={"owner": "finance"}, trained=_trained(41)),
        classifier(
            "mail-sorter",
            doc_types=("invoice", "receipt"),
            description="Tells invoices from receipts",
            trained=_trained(42),
        ),
        v4_composed_model(
            "incoming-mail-v4",
            classifier_id="mail-sorter",
            parts={"invoice": ("invoices-v4", INVOICE), "receipt": ("receipts-v4", RECEIPT)},
            description="Sorted and read",
            trained=_trained(43),
        ),
    ]


def demo() -> list[StoredModel]:
    """Return models of every API version, the ready v2 models first."""
    return v2_demo() + v3_and_v4_demo()


_NIGHT_V2 = (
    "Claims north",
    "Claims south",
    "Orders retail",
    "Orders wholesale",
    "Invoices energy",
    "Invoices transport",
)
_NIGHT_V3 = ("claims-2022", "orders-2022", "claims-2023", "orders-2023", "payslips-2023", "contracts-2023")
_NIGHT_V4 = (
    "claims", "orders", "payslips", "contracts", "delivery-notes", "customs", "lab-reports", "permits", "timesheets",
)  # fmt: skip


def night() -> list[StoredModel]:
    """Return 24 ready models of all generations, for a nightly backup.

    Six of v2, the first with the article's id, six of v3, nine of v4, two v4 classifiers and one composed model.
    """
    kinds = (CLAIM, ORDER, INVOICE, DELIVERY, CONTRACT, RECEIPT)
    models: list[StoredModel] = []
    for number, name in enumerate(_NIGHT_V2):
        version = "v2.0" if number == 5 else "v2.1"
        models.append(
            v2_model(
                FIRST_MODEL_ID if number == 0 else model_uuid(name),
                api_version=version,
                name=name if version == "v2.1" else None,
                fields=kinds[number],
                documents=_documents(name, 5 + number),
                trained=_trained(number),
            )
        )
    for number, name in enumerate(_NIGHT_V3):
        models.append(
            v3_model(
                name,
                api_version="2022-08-31" if name.endswith("2022") else "2023-07-31",
                fields=kinds[number],
                description=f"Reads {name[:-5]}",
                tags={"team": "operations"},
                trained=_trained(10 + number),
            )
        )
    for number, name in enumerate(_NIGHT_V4):
        models.append(
            v4_model(
                name,
                fields=kinds[number % len(kinds)],
                build_mode="neural" if number % 3 == 0 else "template",
                description=f"Reads {name}",
                tags={"team": "operations"},
                trained=_trained(30 + number),
            )
        )
    models.append(
        classifier("mailroom", doc_types=("claim", "order"), description="Tells mail apart", trained=_trained(50))
    )
    models.append(classifier("archive", doc_types=("payslip", "contract"), trained=_trained(51)))
    models.append(
        v4_composed_model(
            "mailroom-reader",
            classifier_id="mailroom",
            parts={"claim": ("claims", CLAIM), "order": ("orders", ORDER)},
            description="Reads what the mailroom sorts",
            trained=_trained(52),
        )
    )
    return models


def everything() -> list[StoredModel]:
    """Return the models of ``demo`` and ``night``."""
    return demo() + [model for model in night() if model.model_id != FIRST_MODEL_ID]


SEEDS: Mapping[str, Callable[[], list[StoredModel]]] = {
    "demo": demo,
    "night": night,
    "none": list,
    "all": everything,
}
