"""Realistic models to begin with: ``demo`` for trying things out by hand, ``night`` for a backup of a whole
resource."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from local.simulator.models import DEFAULT_TRAINED, StoredModel, v2_composed_model, v2_model

FIRST_MODEL_ID = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
"""The model that the article copies, and that every example here copies too."""

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
    """Give the id that a seeded v2 model of this name always has."""
    return str(uuid.uuid5(_SPACE, name))


def _documents(name: str, count: int) -> tuple[str, ...]:
    stem = name.lower().replace(" ", "-")
    return tuple(f"{stem}/{number:03d}.pdf" for number in range(1, count + 1))


def _trained(day: int) -> datetime:
    return DEFAULT_TRAINED + timedelta(days=day, minutes=17 * day, seconds=day)


def v2_demo() -> list[StoredModel]:
    """Eleven ready v2 models, the first with the article's id; one that is being trained, one that failed, one
    composed."""
    made: list[StoredModel] = []
    for number, (name, version, fields, pages) in enumerate(_V2_DEMO):
        model_id = FIRST_MODEL_ID if number == 0 else model_uuid(name)
        made.append(
            v2_model(
                model_id,
                api_version=version,
                name=name if version == "v2.1" else None,
                fields=fields,
                documents=_documents(name, pages),
                trained=_trained(number),
            )
        )
    made.append(v2_model(model_uuid("Still training"), name="Still training", state="creating", trained=_trained(60)))
    made.append(v2_model(model_uuid("Training failed"), name="Training failed", state="invalid", trained=_trained(58)))
    made.append(
        v2_composed_model(
            model_uuid("All incoming mail"),
            parts={FIRST_MODEL_ID: INVOICE, model_uuid("Shop receipts"): RECEIPT, model_uuid("Purchase orders"): ORDER},
            name="All incoming mail",
            trained=_trained(30),
        )
    )
    return made


def demo() -> list[StoredModel]:
    """A handful of models of every API version."""
    return v2_demo()


SEEDS = {"demo": demo, "none": list[StoredModel]}
