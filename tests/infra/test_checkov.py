"""checkov finds nothing in the templates that .checkov.yaml does not explain. It has an environment of its own: `make templates`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra.bicep import INFRA, ROOT

CHECKOV = Path(os.environ.get("CHECKOV") or ROOT / ".venv" / "checkov") / "bin" / "checkov"
EXPLAINED = set(re.findall(r"^  - (CKV_\w+) # \w", (ROOT / ".checkov.yaml").read_text(encoding="utf-8"), re.MULTILINE))

pytestmark = pytest.mark.skipif(not CHECKOV.exists(), reason="checkov is not installed: make templates does it")


def test_every_finding_is_explained(tmp_path: Path) -> None:
    """Every explained one is still there, every template was read, and a weak one beside them is found out."""
    shutil.copytree(INFRA, tmp_path / "infra")
    strong = (INFRA / "storage.bicep").read_text(encoding="utf-8")
    weak = strong.replace("supportsHttpsTrafficOnly: true", "supportsHttpsTrafficOnly: false").replace(
        "TLS1_2", "TLS1_0"
    )
    (tmp_path / "weak.bicep").write_text(weak, encoding="utf-8")
    command = [str(CHECKOV), "--directory", ".", "--framework", "bicep", "--skip-download", "--output", "json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300)
    results = json.loads(ran.stdout)["results"]
    assert results["parsing_errors"] == []
    found: dict[str, set[str]] = {
        "infra": set(re.findall(r"Failed to run check (CKV_\w+)", ran.stderr)),
        "weak.bicep": set(),
    }
    for check in results["failed_checks"]:
        found[check["file_path"].strip("/").partition("/")[0]].add(check["check_id"])
    assert found["infra"] == EXPLAINED
    assert {"CKV_AZURE_3", "CKV_AZURE_44"} <= found["weak.bicep"]
