import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A module imports what stands in a lower row; a folder is one module.
LAYERS = (
    {"errors"},
    {"columns"},
    {"display", "aws", "prompts", "synthetic"},
    {"facts", "transcripts"},
    {"families", "jobs", "metrics"},
    {"requests", "outputs"},
    {"previews"},
    {"runs"},
    {"plots"},
    {"reports"},
    {"cli"},
)
LAYER = {module: number for number, layer in enumerate(LAYERS) for module in layer}
EMULATED = {"session.py", "cli.py"}


def list_files(package):
    return sorted((ROOT / package).rglob("*.py"))


def name_module(file):
    """Name the module of a file: the part below the package."""
    return file.relative_to(ROOT / "analysis").parts[0].removesuffix(".py")


def list_imports(node):
    """List the dotted names that a file or a part of it imports."""
    for each in ast.walk(node):
        if isinstance(each, ast.Import):
            yield from (alias.name for alias in each.names)
        elif isinstance(each, ast.ImportFrom):
            assert each.level == 0, "imports are absolute"
            yield from (f"{each.module}.{alias.name}" for alias in each.names)


def list_pairs():
    """List which module imports which, over the whole package."""
    for file in list_files("analysis"):
        for name in list_imports(ast.parse(file.read_bytes())):
            package, _, rest = name.partition(".")
            if package == "analysis" and file != ROOT / "analysis" / "__init__.py":
                yield name_module(file), rest.split(".")[0]


def test_every_module_has_a_layer():
    modules = {name_module(file) for file in list_files("analysis")} - {"__init__"}
    assert modules == LAYER.keys()


@pytest.mark.parametrize(("module", "imported"), sorted({pair for pair in list_pairs() if pair[0] != pair[1]}))
def test_imports_point_one_way(module, imported):
    assert LAYER[imported] < LAYER[module]


def test_the_emulator_knows_nothing_of_the_package():
    names = {name for file in list_files("bedrock_local") for name in list_imports(ast.parse(file.read_bytes()))}
    assert not [name for name in names if name.split(".")[0] == "analysis"]


def test_the_package_reaches_the_emulator_only_inside_functions_of_two_modules():
    for file in list_files("analysis"):
        tree = ast.parse(file.read_bytes())
        everywhere = [name for name in list_imports(tree) if name.startswith("bedrock_local")]
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        inside = {name for node in functions for name in list_imports(node) if name.startswith("bedrock_local")}
        assert set(everywhere) == inside, f"{file.name} imports it at the top"
        assert not everywhere or file.name in EMULATED
