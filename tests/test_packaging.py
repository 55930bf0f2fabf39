"""The package: what is built holds all the server needs, and runs where there is nothing else."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from flows.process import PATIENCE, TOP, Output

LEFT_OUT = (
    ".git",
    ".venv",
    ".*_cache",
    ".hypothesis",
    "__pycache__",
    "build",
    "dist",
    "*.egg-info",
    "*.state*",
)
LINK = re.compile(r'href="(/[^"]+\.css)"')


def build_environment() -> dict[str, str]:
    """Nothing leads to this checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=build_environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, so that building leaves nothing in the checkout."""
    copy = tmp_path_factory.mktemp("tree") / "omnitornado"
    shutil.copytree(TOP, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    return copy


@pytest.fixture(scope="module")
def built(tree: Path) -> tuple[Path, Path]:
    """The wheel, built from the sdist, and the sdist."""
    run(sys.executable, "-m", "build", "--outdir", tree / "dist", tree, cwd=tree.parent)
    (wheel,), (sdist,) = (tree / "dist").glob("*.whl"), (tree / "dist").glob("*.tar.gz")
    return wheel, sdist


def run_pip(python: Path, *arguments: str | Path, cwd: Path) -> str:
    """This environment's pip at work on another one, which so needs none of its own."""
    return run(sys.executable, "-m", "pip", "--python", python, "--quiet", *arguments, cwd=cwd)


def build_venv(folder: Path, *installed: str | Path) -> Path:
    """The Python of an empty environment with just these, and what they depend on."""
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    run_pip(python, "install", "--disable-pip-version-check", *installed, cwd=folder)
    return python


@pytest.fixture(scope="module")
def installed(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an empty environment that has the wheel."""
    return build_venv(tmp_path_factory.mktemp("installed"), built[0])


def list_assets() -> list[str]:
    """The templates and static files of the checkout."""
    return sorted(
        f"{name}/{path.name}" for name in ("static", "templates") for path in (TOP / name).iterdir()
    )


def test_the_wheel_carries_every_module_template_and_static_file(built: tuple[Path, Path]) -> None:
    """Our choice: what `pip install` brings is the whole program."""
    names = zipfile.ZipFile(built[0]).namelist()
    sources = [path for kind in ("*.py", "*.lua") for path in (TOP / "omnitornado").rglob(kind)]
    modules = [path.relative_to(TOP).as_posix() for path in sources]
    wanted = [*modules, "omnitornado/py.typed", *(f"omnitornado/{name}" for name in list_assets())]
    assert sorted(set(wanted) - set(names)) == []
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_the_wheel_carries_nothing_else(built: tuple[Path, Path]) -> None:
    """Our choice: no tests, documentation or state files, and no top-level name but our own."""
    names = zipfile.ZipFile(built[0]).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"omnitornado"}
    assert [name for name in names if "state" in name and name.endswith((".lock", ".state"))] == []


def test_the_sdist_carries_what_the_tests_and_the_documentation_need(built: tuple[Path, Path]) -> None:
    """Our choice: a distribution's packager can run the tests from it."""
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        *list_assets(),
        *("Makefile", "config.toml", "examples/tools.py", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE"),
        *("docs/index.md", "docs/generate.py", "docs/words.toml", "docs/images/login.png"),
        *("tests/test_docs.py", "tests/flows/process.py", "tests/requirements.toml"),
    }
    assert sorted(wanted - names) == []


def test_every_package_is_named_in_setup_cfg() -> None:
    """Our choice: static/ and templates/ make an automatic search miss, so the list is kept by hand."""
    setup = configparser.ConfigParser()
    setup.read(TOP / "setup.cfg")
    found = {path.parent.relative_to(TOP) for path in (TOP / "omnitornado").rglob("__init__.py")}
    packages = {".".join(path.parts) for path in found} | {"omnitornado.static", "omnitornado.templates"}
    assert set(setup["options"]["packages"].split()) == packages


def test_a_server_installed_from_the_wheel_serves_its_pages(installed: Path, tmp_path: Path) -> None:
    """Our choice: in an empty environment, in another folder, with a fresh configuration."""
    run(installed, "-m", "omnitornado", "init", cwd=tmp_path)
    check_pages([str(installed), "-m", "omnitornado", "config.toml", "--port", "0"], tmp_path)


def check_pages(command: list[str], folder: Path) -> None:
    """Serve there, fetch the login page and its stylesheet, stop cleanly."""
    with serving(command, folder) as issuer:
        page = httpx.get(f"{issuer}/login")
        assert page.status_code == 200
        assert 'name="password"' in page.text
        (stylesheet,) = LINK.findall(page.text)
        style = httpx.get(issuer + stylesheet)
        assert style.status_code == 200
        assert style.content == (TOP / "static" / "style.css").read_bytes()


@contextmanager
def serving(command: list[str], folder: Path) -> Iterator[str]:
    """The issuer of a server process, which must end with 0 on SIGTERM."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=build_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        output, log = Output(process.stdout), Output(process.stderr)
        try:
            output.wait_until(lambda lines: any(line.startswith("Issuer: ") for line in lines))
            yield dict(line.split(": ", 1) for line in output.lines)["Issuer"]
            process.terminate()
            assert process.wait(PATIENCE) == 0, log.text
        finally:
            process.kill()
            process.wait(PATIENCE)
            log.close()
            output.close()


def test_the_command_line_needs_no_web_server_to_start(installed: Path, tmp_path: Path) -> None:
    """Our choice: `--help`, `init` and `hash-password` don't load one."""
    program = "import sys, omnitornado.cli; print([m for m in ('tornado', 'asyncio') if m in sys.modules])"
    assert run(installed, "-c", program, cwd=tmp_path) == "[]\n"


def test_what_is_installed_agrees_with_its_requirements(installed: Path, tmp_path: Path) -> None:
    """Our choice: `pip check`; and the command is there under its own name."""
    run_pip(installed, "check", cwd=tmp_path)
    assert run(installed.with_name("omnitornado"), "--version", cwd=tmp_path).startswith("omnitornado 0.")


def test_an_editable_install_finds_its_pages(tree: Path, tmp_path: Path) -> None:
    """Our choice: what `make run` installs."""
    python = build_venv(tmp_path, "--editable", tree)
    found = run(python, "-c", "import omnitornado; print(omnitornado.__file__)", cwd=tmp_path)
    assert Path(found.strip()) == tree / "omnitornado" / "__init__.py"
    run(python, "-m", "omnitornado", "init", cwd=tmp_path)
    check_pages([str(python), "-m", "omnitornado", "config.toml", "--port", "0"], tmp_path)


def test_a_checkout_that_nobody_installed_finds_its_pages(tree: Path, tmp_path: Path) -> None:
    """Our choice: `python -m omnitornado` at the top of the repository works with the dependencies alone."""
    command = [sys.executable, "-m", "omnitornado", "config.toml", "--port", "0"]
    check_pages(command, tree)
