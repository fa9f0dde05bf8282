import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A room, which is a file or folder at the top of a package, imports only rooms in a row above its own.
LAYERS = {
    "analysis": (
        {"errors"},
        {"columns", "files"},
        {"display", "aws", "prompts", "synthetic"},
        {"facts", "transcripts"},
        {"families", "jobs", "metrics"},
        {"requests", "outputs"},
        {"comparison", "engines"},
        {"judging"},
        {"runs"},
        {"plots", "spark", "tuning", "widgets"},
        {"reports"},
        {"cli"},
    ),
    "bedrock_local": (
        {"protocol", "models", "files"},
        {"inference", "profiles"},
        {"families", "faults"},
        {"responders"},
        {"settings"},
        {"emulator"},
        {"s3", "sts", "runtime", "listings", "other_services"},
        {"batch", "provider_apis"},
        {"dispatch"},
        {"transport"},
        {"cli", "pytest_plugin"},
    ),
}
MOST_ROOMS = 24
# What may start the emulator, inside a function.
EMULATED = {"analysis/aws/session.py", "analysis/cli/emulator.py"}


def list_files(package):
    return sorted((ROOT / package).rglob("*.py"))


def name_room(file, package):
    """The module or folder of a file at the top of its package."""
    return file.relative_to(ROOT / package).parts[0].removesuffix(".py")


def list_imports(node):
    """List the dotted names that a file or a part of it imports."""
    for each in ast.walk(node):
        if isinstance(each, ast.Import):
            yield from (alias.name for alias in each.names)
        elif isinstance(each, ast.ImportFrom):
            assert each.level == 0, "imports are absolute"
            yield from (f"{each.module}.{alias.name}" for alias in each.names)


def list_pairs(package):
    """List which room imports which, over the whole package."""
    for file in list_files(package):
        for name in list_imports(ast.parse(file.read_bytes())):
            top, _, rest = name.partition(".")
            room, imported = name_room(file, package), rest.split(".")[0]
            if top == package and room not in ("__init__", imported):
                yield package, room, imported


def list_modules(package):
    """List the modules of a package by their dotted names; a folder's name stands for its `__init__`."""
    parts = {file: file.relative_to(ROOT).with_suffix("").parts for file in list_files(package)}
    return {".".join(names).removesuffix(".__init__"): file for file, names in parts.items()}


def list_imported_modules(file, modules):
    """List the modules that a file imports, whether by their own names or by a name in them."""
    names = list(list_imports(ast.parse(file.read_bytes())))
    return {name if name in modules else name.rpartition(".")[0] for name in names} & modules.keys()


def level_of(package, room):
    """The number of the row in which a room stands."""
    return next(number for number, rooms in enumerate(LAYERS[package]) if room in rooms)


@pytest.mark.parametrize("package", LAYERS)
def test_every_room_has_a_layer(package):
    rooms = {name_room(file, package) for file in list_files(package)} - {"__init__"}
    assert rooms == set().union(*LAYERS[package])


@pytest.mark.parametrize("package", LAYERS)
def test_the_top_of_a_package_can_be_taken_in_at_one_look(package):
    rooms = {name_room(file, package) for file in list_files(package)} - {"__init__"}
    assert len(rooms) <= MOST_ROOMS


@pytest.mark.parametrize(
    ("package", "room", "imported"), sorted({pair for package in LAYERS for pair in list_pairs(package)})
)
def test_imports_point_one_way(package, room, imported):
    assert level_of(package, imported) < level_of(package, room)


@pytest.mark.parametrize("package", LAYERS)
def test_no_module_imports_itself_by_way_of_others(package):
    modules = list_modules(package)
    # The package's own `__init__` offers names of all its modules.
    graph = {name: list_imported_modules(file, modules) - {package} for name, file in modules.items()}
    TopologicalSorter(graph).prepare()


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
        assert not everywhere or file.relative_to(ROOT).as_posix() in EMULATED
