"""Skills in files: SkillRL's JSON, and JSON lines with everything a bank knows of a skill."""

from skillbank.formats.files import write_file
from skillbank.formats.importing import Format, ImportReport, import_file
from skillbank.formats.jsonl import export_jsonl
from skillbank.formats.skillrl import export_skillrl

__all__ = [
    "Format",
    "ImportReport",
    "export_jsonl",
    "export_skillrl",
    "import_file",
    "write_file",
]
