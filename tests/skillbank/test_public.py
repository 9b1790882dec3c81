import inspect
import subprocess
import sys

import skillbank


def test_the_public_names_are_sorted_and_exist() -> None:
    assert sorted(skillbank.__all__) == skillbank.__all__
    assert all(hasattr(skillbank, name) for name in skillbank.__all__)


def test_every_public_name_has_a_docstring() -> None:
    items = [vars(skillbank)[name] for name in skillbank.__all__]
    documented = [item for item in items if inspect.isclass(item) or inspect.isfunction(item)]
    assert all(item.__doc__ for item in documented)


def test_importing_loads_no_heavy_dependency_and_takes_half_a_second() -> None:
    program = (
        "import sys, time; t = time.process_time(); import skillbank; "
        "t = time.process_time() - t; "
        "heavy = {'torch', 'litellm', 'psycopg', 'psycopg_pool', 'numpy', 'pydantic'}; "
        "print(t < 0.5, sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "True []\n", done.stderr
