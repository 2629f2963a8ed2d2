"""Markdown pages as tests read them: their links, headings, commands and trees."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Page:
    """A markdown file of a project."""

    path: Path
    root: Path

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """The text without its code blocks."""
        return re.sub(r"^```.*?^```$", "", self.text, flags=re.MULTILINE | re.DOTALL)

    @property
    def links(self) -> list[str]:
        """Targets of links, of images and of reference definitions."""
        inline = re.findall(r"\]\(([^)\s]+)\)", self.prose)
        return inline + re.findall(r"^\[[^\]]+\]: (\S+)$", self.prose, re.MULTILINE)

    @property
    def references(self) -> set[str]:
        """Names that links such as [text][name] refer to, without a definition."""
        used = {*re.findall(r"\]\[([^\]]+)\]", self.prose)}
        return used - {*re.findall(r"^\[([^\]]+)\]: ", self.prose, re.MULTILINE)}

    @property
    def anchors(self) -> set[str]:
        """Ids of the headings, as GitHub makes them."""
        headings = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}

    def blocks(self, kind: str = "") -> list[str]:
        """Return the code blocks of a kind: those without one are commands, `text` is output."""
        found = re.findall(r"^```(\w*)\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)
        return [block for name, block in found if name == kind]

    @property
    def commands(self) -> list[str]:
        """The lines of the blocks of commands, without comments."""
        lines = "".join(self.blocks()).splitlines()
        return [line.partition("  #")[0].strip() for line in lines]
