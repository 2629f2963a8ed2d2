"""List the examples, or run one of them: python -m <package>.examples [NAME]."""

import ast
import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def first_line(path: Path) -> str:
    """Return what an example is about, read without running it."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0]


def main() -> None:
    """Run the example that is named, with the arguments after it; without a name, list them."""
    examples = {path.stem: path for path in sorted(FOLDER.glob("[!_]*.py"))}
    if sys.argv[1:] in ([], ["--help"]):
        for name, path in examples.items():
            print(f"{name:15} {first_line(path)}")
        print("\nRun one with: uv run poe example NAME")
        return
    name = sys.argv.pop(1)
    if name not in examples:
        sys.exit(f"error: no example is called {name}; there are: {', '.join(examples)}")
    runpy.run_module(f"{__package__}.{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
