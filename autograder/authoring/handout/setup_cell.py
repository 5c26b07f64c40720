# Finds the course's package and installs it beside what is there: no other package
# is changed. Then it seeds the random numbers and says what this notebook runs on.
ADDRESS, VERSION = "", "0"


def set_up(address, wanted):
    import contextlib
    import importlib.util
    import os
    import platform
    import re
    import shutil
    import site
    import subprocess
    import sys
    from pathlib import Path
    from urllib.request import urlopen

    class SetUpFailed(Exception):
        def _render_traceback_(self):  # IPython asks for it: the message is enough
            return [str(self)]

    def number(version):
        return [int(part) for part in re.findall(r"\d+", version)[:3]]

    def is_there():
        importlib.invalidate_caches()
        try:
            import autograder
        except ImportError:
            return False
        return number(getattr(autograder, "__version__", "0")) >= number(wanted)

    def forget_older():
        for name in [n for n in sys.modules if n.split(".")[0] == "autograder"]:
            del sys.modules[name]

    def from_checkout():
        for folder in around:
            package = folder / "autograder" / "__init__.py"
            if package.is_file() and (folder / "course.toml").is_file():
                sys.path.insert(0, str(folder))
                return
        raise LookupError("no checkout of the course around this notebook")

    def from_beside():
        places = [place for folder in around for place in (folder, folder / "wheel")]
        wheels = [w for p in places for w in sorted(p.glob("transformer_course*.whl"))]
        if not wheels:
            raise LookupError("no folder `wheel` beside this notebook or above it")
        install(str(wheels[0]))

    def from_address():
        if not address:
            raise LookupError("the course names no address to install from")
        with urlopen(f"{address}/SHA256SUMS", timeout=30) as page:
            listed = page.read(100_000).decode("utf-8", "replace")
        found = re.search(r"^([0-9a-f]{64})  (\S+\.whl)$", listed, re.MULTILINE)
        if not found:
            raise LookupError(f"no package is listed at {address}")
        install(f"{address}/{found[2]}#sha256={found[1]}")

    def install(wheel):
        options = ["install", "--no-deps", "--quiet", wheel]
        if importlib.util.find_spec("pip") is None and shutil.which("uv"):
            program = ["uv", "pip", *options, "--python", sys.executable]
        else:
            quiet = ["--disable-pip-version-check", "--no-input"]
            program = [sys.executable, "-m", "pip", *options, *quiet]
        done = subprocess.run(program, capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise LookupError((done.stderr.strip() or "pip failed").splitlines()[-1])
        if site.ENABLE_USER_SITE and site.getusersitepackages() not in sys.path:
            site.addsitedir(site.getusersitepackages())

    here = Path.cwd()
    around = [here, *list(here.parents)[:3]]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow talks a lot
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    tried = []
    for way in (from_checkout, from_beside, from_address):
        if is_there():
            break
        try:
            way()
            forget_older()
        except Exception as error:  # whatever it was, the next way may do
            tried.append(f"  - {error}")
    if not is_there():
        raise SetUpFailed(
            "\n".join(["The course's package is not here, and cannot be got:", *tried])
            + "\nWhat to do: download the course's folder `wheel`, put it beside this "
            "notebook (Colab: the folder icon on the left, then Upload, the .whl "
            "file), and run this cell again. If that fails too, show this to the "
            "course staff."
        )

    import autograder

    try:
        import keras

        backend = keras.backend.backend()
        engine = importlib.import_module(backend)
    except ImportError as error:
        raise SetUpFailed(
            f"{error.name or error} is missing here.\nWhat to do: on Colab choose "
            "Runtime → Change runtime type → T4 GPU or CPU (TPU runtimes have no "
            "TensorFlow). On your own machine start Jupyter in the environment that "
            "the course's environment.yml makes."
        ) from None
    keras.utils.set_random_seed(2017)
    gpus = []
    if backend == "tensorflow":
        for gpu in engine.config.list_physical_devices("GPU"):
            with contextlib.suppress(RuntimeError):  # it is in use already
                engine.config.experimental.set_memory_growth(gpu, True)
            details = engine.config.experimental.get_device_details(gpu)
            gpus.append(details.get("device_name", "GPU"))
    elif backend == "jax":
        gpus = [d.device_kind for d in engine.devices() if d.platform == "gpu"]
    elif backend == "torch":
        count = engine.cuda.device_count()
        gpus = [engine.cuda.get_device_name(i) for i in range(count)]
    print(
        f"Ready: course package {autograder.__version__}, Python "
        f"{platform.python_version()}, Keras {keras.__version__} on {backend} "
        f"{engine.__version__}, {', '.join(gpus) or 'CPU'}."
    )
    if not gpus:
        print(
            "No GPU here: everything works, trainings take longer. To get one on "
            "Colab: Runtime → Change runtime type → T4 GPU."
        )


set_up(ADDRESS, VERSION)
del set_up
