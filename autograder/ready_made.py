"""Ready-made parts where an exercise asks to build them: found by reading the code.

The reader follows names, not text. It starts at the objects an exercise asks for,
goes on to whatever they reach in the notebook, and resolves every expression on the
way to a dotted library name: through imports and their aliases, assignments,
`getattr`, `importlib`, `__import__`, subscripts of a module's `__dict__`, and code in
strings. What the object does not reach, such as a comparison in a cell below, is
nobody's business. The second witness is `answering.watch`, which sees the parts at
work while probes are answered; each sees what the other may miss.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from autograder.exercise import Exercise
from autograder.safe import syntax_tree

ROOTS = {
    # The same classes under other names.
    "tensorflow.keras": "keras",
    "tensorflow.python.keras": "keras",
    "tf_keras": "keras",
    "keras_nlp": "keras_hub",
    "keras_cv": "keras_hub",
}
BY_NAME = ("deserialize", "deserialize_keras_object", "get_registered_object")
SOURCE_LIMIT = 200_000
DEPTH_LIMIT = 40  # of names that stand for names
STATEMENTS_LIMIT = 20_000
STEPS_LIMIT = 200_000  # what one reading may take, however code refers to itself
TEXT_LIMIT = 500

Node = ast.AST
Function = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
BINDING = (ast.stmt, ast.excepthandler, ast.match_case)


def broken_rule(exercise: Exercise, names: Sequence[str], student: bool = False) -> str:
    """Says in words that an exercise was answered with what it asks to build.

    Args:
        exercise: what was asked.
        names: the ready-made parts that were seen; none gives an empty text.
        student: in the student's own notebook, before handing in.
    """
    if not names:
        return ""
    told = " and ".join(f"`{name}`" for name in names)
    text = f"It uses {told}, and this exercise asks you to build that yourself."
    if exercise.ready_made == "flag":
        return f"{text} A person decides what that means for the points."
    if student:
        return f"{text} Handed in like this, it earns no points."
    return f"{text} So it earns no points as it stands."


def read_uses(
    code: Code | Iterable[str], targets: Sequence[str], forbidden: Sequence[str]
) -> list[str]:
    """Returns the forbidden parts that code mentions where the targets reach it.

    Args:
        code: a notebook's, or its cells' sources.
        targets: the objects that an exercise asks for.
        forbidden: dotted names, such as `keras.layers.MultiHeadAttention`.

    Returns:
        Names out of `forbidden`, in its order.
    """
    if not forbidden:
        return []
    code = code if isinstance(code, Code) else Code(code)
    try:
        reader = _Reader(code.statements, tuple(forbidden))
        seen = reader.reached(targets)
    except (RecursionError, MemoryError):
        return []
    return [name for name in forbidden if name in seen]


def canonical(dotted: str) -> str:
    """Returns a library name without the detours by which libraries offer it."""
    for root, plain in ROOTS.items():
        if dotted == root or dotted.startswith(f"{root}."):
            return canonical(plain + dotted[len(root) :])
    return dotted


def which(dotted: str, forbidden: Sequence[str]) -> str | None:
    """Returns the forbidden part that a dotted name leads to, or None.

    `keras.src.layers.attention.attention.Attention` is `keras.layers.Attention`: within
    a library the last name decides.
    """
    parts = canonical(dotted).split(".")
    for name in forbidden:
        root, *_, last = name.split(".")
        if parts[0] == root and last in parts[1:]:
            return name
    return None


def _statements(sources: Iterable[str]) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for source in sources:
        if len(source) > SOURCE_LIMIT:
            continue
        try:
            found += syntax_tree(source).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return found


class Code:
    """A notebook's code, parsed once for all exercises that are read in it.

    Args:
        sources: the cells' code in the order in which they run. What does not parse
            is left out.
    """

    def __init__(self, sources: Iterable[str]):
        self._sources = tuple(sources)

    @functools.cached_property
    def statements(self) -> list[tuple[ast.stmt, set[str]]]:
        """The statements, and the names onto which each of them hangs something."""
        found = _statements(self._sources)[:STATEMENTS_LIMIT]
        return [(statement, _patched(statement)) for statement in found]


@dataclass(frozen=True)
class Scope:
    """What names mean at one place: bindings of a function over the notebook's."""

    bindings: dict[str, tuple]
    parent: Scope | None = None
    top: bool = False
    """Are these the notebook's own names?"""

    def find(self, name: str) -> tuple | None:
        return self.locate(name)[0]

    def locate(self, name: str) -> tuple[tuple | None, bool]:
        """Returns a name's binding, and whether it is the notebook's own."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bindings:
                return scope.bindings[name], scope.top
            scope = scope.parent
        return None, True


@dataclass
class _Reader:
    """Reads a notebook's statements from the targets on.

    A binding is `("name", dotted)`, `("value", expression, scope)`,
    `("code", statement, scope before it)`, `("either", binding, binding)` where one
    statement gives a name twice (`try … except`), or `("unknown",)`.
    """

    statements: list[tuple[ast.stmt, set[str]]]
    forbidden: tuple[str, ...]
    seen: set[str] = field(default_factory=set)

    def __post_init__(self):
        self.top: dict[str, tuple] = {}
        self.stars: list[str] = []
        self.patches: list[tuple[set[str], ast.stmt]] = []
        self.steps = 0
        before = Scope({}, top=True)
        for statement, owners in self.statements:
            made: dict[str, tuple] = {}
            self._bind(statement, made, before)
            if made:
                self.top.update(made)
                before = Scope(made, before, top=True)
            if owners:
                self.patches.append((owners, statement))
        self.final = Scope(self.top, top=True)

    def reached(self, targets: Sequence[str]) -> set[str]:
        """Returns the forbidden parts that the targets reach."""
        waiting, done = list(targets), set()
        while waiting:
            name = waiting.pop()
            if name in done:
                continue
            done.add(name)
            for node, scope in self._code_of(name):
                try:
                    waiting += self._read(node, scope)
                except RecursionError:
                    self._skim(node)
        return self.seen

    def _skim(self, node: Node) -> None:
        """Reads code that is nested too deeply for its scopes to be followed."""
        for part in ast.walk(node):
            if isinstance(part, (ast.Attribute, ast.Name)):
                self._note(self.resolve(part, self.final))

    def _code_of(self, name: str) -> Iterator[tuple[Node, Scope]]:
        """Yields what stands behind a name, and what is patched onto it later."""
        for binding in _alternatives(self.top.get(name)):
            if binding is None:
                self._note_starred(name)
            elif binding[0] in ("value", "code"):
                yield binding[1], binding[2]
            elif binding[0] == "name":
                self._note(binding[1])
        for owners, statement in self.patches:
            if name in owners:
                yield statement, self.final

    # --- what names mean ---

    def _bind(self, node: Node, bindings: dict, before: Scope) -> None:
        """Records what a statement gives names to, compound statements included."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.split(".")[0]
                told = alias.name if alias.asname else name
                _give(bindings, name, ("name", told))
        elif isinstance(node, ast.ImportFrom):
            self._bind_from(node, bindings)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            _give(bindings, node.name, ("code", node, before))
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                self._bind_target(target, node.value, bindings, before)
        elif isinstance(node, (ast.AugAssign, ast.For, ast.AsyncFor)):
            self._bind_target(node.target, None, bindings, before)
        if not isinstance(node, (*Function, ast.ClassDef)):
            inner = Scope(bindings, before, before.top)
            for child in ast.iter_child_nodes(node):
                if isinstance(child, BINDING):
                    self._bind(child, bindings, inner)
                elif isinstance(child, ast.expr):
                    for part in ast.walk(child):
                        if isinstance(part, ast.NamedExpr):
                            self._bind_target(part.target, part.value, bindings, inner)

    def _bind_from(self, node: ast.ImportFrom, bindings: dict) -> None:
        module = node.module or ""
        for alias in node.names:
            if alias.name == "*":
                self.stars.append(module)
                for name in self.forbidden:
                    # A star brings the part's own name, over what stood before.
                    last = name.rpartition(".")[2]
                    if which(f"{module}.{last}", self.forbidden) == name:
                        _give(bindings, last, ("name", f"{module}.{last}"))
            else:
                told = ("name", f"{module}.{alias.name}")
                _give(bindings, alias.asname or alias.name, told)

    def _bind_target(self, target, value, bindings: dict, before: Scope) -> None:
        if isinstance(target, ast.Name):
            known = value is not None
            told = ("value", value, before) if known else ("unknown",)
            _give(bindings, target.id, told)
        elif isinstance(target, (ast.Tuple, ast.List)):
            values = getattr(value, "elts", None)
            same = values is not None and len(values) == len(target.elts)
            for i, part in enumerate(target.elts):
                self._bind_target(part, values[i] if same else value, bindings, before)

    def _note_starred(self, name: str) -> None:
        for module in self.stars:
            self._note(f"{module}.{name}")

    def _tired(self, depth: int) -> bool:
        self.steps += 1
        return depth > DEPTH_LIMIT or self.steps > STEPS_LIMIT

    def _note(self, dotted: str | None) -> bool:
        name = which(dotted, self.forbidden) if dotted else None
        if name:
            self.seen.add(name)
        return bool(name)

    # --- what an expression leads to ---

    def resolve(self, node: Node | None, scope: Scope, depth: int = 0) -> str | None:
        """Returns the dotted library name that an expression stands for, or None."""
        if node is None or self._tired(depth):
            return None
        if isinstance(node, ast.Name):
            return self._resolve_binding(scope.find(node.id), depth)
        if isinstance(node, ast.Attribute):
            owner = self.resolve(node.value, scope, depth + 1)
            return _member(owner, node.attr)
        if isinstance(node, ast.Subscript):
            return self._resolve_item(node, scope, depth)
        if isinstance(node, ast.Call):
            return self._resolve_call(node, scope, depth)
        if isinstance(node, ast.NamedExpr):
            return self.resolve(node.value, scope, depth + 1)
        return None

    def _resolve_binding(self, binding: tuple | None, depth: int) -> str | None:
        found = []
        for one in _alternatives(binding):
            if one and one[0] == "name":
                found.append(one[1])
            elif one and one[0] == "value":
                found.append(self.resolve(one[1], one[2], depth + 1))
        found = [dotted for dotted in found if dotted]
        worst = [dotted for dotted in found if which(dotted, self.forbidden)]
        return (worst or found or [None])[0]

    def _resolve_item(self, node: ast.Subscript, scope: Scope, depth: int):
        key = self.text(node.slice, scope, depth + 1)
        if key is None:
            return None
        inner = node.value
        if isinstance(inner, ast.Call) and _called(inner) in ("globals", "locals"):
            return self.resolve(ast.Name(key, ast.Load()), scope, depth + 1)
        owner = self.resolve(inner, scope, depth + 1)
        if owner == "sys.modules":
            return key
        if owner and owner.endswith(".__dict__"):
            return _member(owner.removesuffix(".__dict__"), key)
        return None

    def _resolve_call(self, node: ast.Call, scope: Scope, depth: int) -> str | None:
        name = _called(node)
        function = self.resolve(node.func, scope, depth + 1) or name
        first = node.args[0] if node.args else None
        if function in ("getattr", "builtins.getattr") and len(node.args) > 1:
            owner = self.resolve(first, scope, depth + 1)
            return _member(owner, self.text(node.args[1], scope, depth + 1))
        if function in ("__import__", "builtins.__import__"):
            module = self.text(first, scope, depth + 1)
            whole = len(node.args) > 3 or any(
                k.arg == "fromlist" for k in node.keywords
            )
            return module if whole or not module else module.split(".")[0]
        if function in ("importlib.import_module", "import_module"):
            return self.text(first, scope, depth + 1)
        if function in ("vars", "builtins.vars"):
            return _member(self.resolve(first, scope, depth + 1), "__dict__")
        if function in ("eval", "builtins.eval"):
            return self._evaluated(first, scope, depth)
        if isinstance(node.func, ast.Call):
            return self._resolve_getter(node, scope, depth)
        if isinstance(node.func, ast.Attribute) and node.func.attr in (
            "get",
            "__getitem__",
            "__getattribute__",
        ):
            owner = self.resolve(node.func.value, scope, depth + 1)
            key = self.text(node.args[-1] if node.args else None, scope, depth + 1)
            if node.func.attr == "get" and first is not None:
                key = self.text(first, scope, depth + 1)
            if owner == "sys.modules":
                return key
            return _member((owner or "").removesuffix(".__dict__") or None, key)
        return None

    def _resolve_getter(self, node: ast.Call, scope: Scope, depth: int) -> str | None:
        """`operator.attrgetter("MultiHeadAttention")(keras.layers)`."""
        maker = node.func
        name = self.resolve(maker.func, scope, depth + 1) or ""
        if name.rpartition(".")[2] == "attrgetter" and maker.args and node.args:
            owner = self.resolve(node.args[0], scope, depth + 1)
            return _member(owner, self.text(maker.args[0], scope, depth + 1))
        return None

    def _evaluated(self, node, scope: Scope, depth: int) -> str | None:
        code = self.text(node, scope, depth + 1)
        try:
            tree = syntax_tree(code or "")
            return self.resolve(tree.body[0].value, scope, depth + 1)
        except (SyntaxError, ValueError, IndexError, AttributeError):
            return None

    def text(self, node: Node | None, scope: Scope, depth: int = 0) -> str | None:
        """Returns the string that an expression is, if that can be read."""
        if node is None or self._tired(depth):
            return None
        if isinstance(node, ast.Constant):
            plain = isinstance(node.value, str) and len(node.value) <= TEXT_LIMIT
            return node.value if plain else None
        if isinstance(node, ast.Name):
            binding = scope.find(node.id)
            if binding and binding[0] == "value":
                return self.text(binding[1], binding[2], depth + 1)
            return None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return _joined(
                [self.text(side, scope, depth + 1) for side in (node.left, node.right)]
            )
        if isinstance(node, ast.JoinedStr):
            return _joined([self.text(v, scope, depth + 1) for v in node.values])
        if isinstance(node, ast.FormattedValue):
            return self.text(node.value, scope, depth + 1)
        if isinstance(node, ast.Subscript) and ast.unparse(node.slice) == "::-1":
            inner = self.text(node.value, scope, depth + 1)
            return inner[::-1] if inner is not None else None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return self._joined_call(node, scope, depth)
        return None

    def _joined_call(self, node: ast.Call, scope: Scope, depth: int) -> str | None:
        """`"".join(["Multi", "Head"])`."""
        items = getattr(node.args[0], "elts", None) if node.args else None
        if node.func.attr != "join" or items is None:
            return None
        glue = self.text(node.func.value, scope, depth + 1)
        parts = [self.text(item, scope, depth + 1) for item in items]
        if glue is None or None in parts:
            return None
        return glue.join(parts)[:TEXT_LIMIT]

    # --- reading what is reached ---

    def _read(self, node: Node, before: Scope) -> list[str]:
        """Notes the parts that code uses; returns the notebook's names it uses.

        A definition's decorators, bases and defaults mean what they meant before it,
        its body what the notebook's names mean in the end.
        """
        names: list[str] = []
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for part in _evaluated_at_once(node):
                self._walk(part, before, names)
            self._walk_body(node, self.final, names)
        else:
            scope = before if isinstance(node, ast.expr) else self.final
            self._walk(node, scope, names)
        own = getattr(node, "name", None)
        return [name for name in names if name != own]

    def _walk(self, node: Node, scope: Scope, names: list[str]) -> None:
        if isinstance(node, Function):
            for part in _evaluated_at_once(node):
                self._walk(part, scope, names)
            self._walk_body(node, self._in_time(scope), names)
            return
        if isinstance(node, ast.ClassDef):
            for part in _evaluated_at_once(node):
                self._walk(part, scope, names)
            self._walk_body(node, scope, names)
            return
        if isinstance(node, ast.Call) and self._walk_call(node, scope, names):
            return
        if isinstance(node, (ast.Compare, ast.AnnAssign)):
            # `type(x) is keras.layers.Attention`, `x: keras.layers.Attention`.
            parts = [node.value] if isinstance(node, ast.AnnAssign) else []
            for part in [*parts, *self._compared(node, scope)]:
                if part is not None:
                    self._walk(part, scope, names)
            return
        if isinstance(node, (ast.Attribute, ast.Name, ast.Subscript)):
            if isinstance(getattr(node, "ctx", None), ast.Load):
                self._note(self.resolve(node, scope))
            if isinstance(node, ast.Name):
                binding, top = scope.locate(node.id)
                if binding is None:
                    self._note_starred(node.id)
                elif top:
                    names.append(node.id)
        for child in ast.iter_child_nodes(node):
            self._walk(child, scope, names)

    def _in_time(self, scope: Scope) -> Scope:
        """A function's body runs when all of the notebook has run."""
        return self.final if scope.top else scope

    def _compared(self, node: Node, scope: Scope) -> list[Node]:
        """A comparison's sides that are no mere mention of a class."""
        if not isinstance(node, ast.Compare):
            return []
        sides = [node.left, *node.comparators]
        return [s for s in sides if self.resolve(s, scope) is None]

    def _walk_call(self, node: ast.Call, scope: Scope, names: list[str]) -> bool:
        """Reads a call; returns whether nothing of it is left to read."""
        name = _called(node)
        if name in ("isinstance", "issubclass", "hasattr"):
            self._walk(node.args[0] if node.args else node.func, scope, names)
            return True
        if name in ("exec", "eval") and node.args:
            for statement in _statements([self.text(node.args[0], scope) or ""]):
                self._walk(statement, scope, names)
        self._note(self.resolve(node, scope))
        function = self.resolve(node.func, scope) or name or ""
        if function.rpartition(".")[2] in BY_NAME and canonical(function) != name:
            for part in ast.walk(node):
                told = self.text(part, scope) if isinstance(part, ast.expr) else None
                if told:
                    self._note(f"keras.layers.{told.rpartition('>')[2]}")
        return False

    def _walk_body(self, node: Node, scope: Scope, names: list[str]) -> None:
        """Reads a function's or class's body in a scope of its own."""
        local: dict[str, tuple] = {}
        inner = Scope(local, scope)
        if isinstance(node, Function):
            arguments = node.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            every += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
            local.update({a.arg: ("unknown",) for a in every})
        body = node.body if isinstance(node.body, list) else [node.body]
        if not isinstance(node, ast.ClassDef):
            for statement in body:
                local.update({name: ("unknown",) for name in _stored(statement)})
            for statement in body:
                self._bind(statement, local, inner)
            for name in _declared_global(body):
                local.pop(name, None)
        for statement in body:
            self._walk(statement, inner, names)


def _give(bindings: dict[str, tuple], name: str, binding: tuple) -> None:
    """Binds a name; a second binding in the same place stands beside the first."""
    known = bindings.get(name)
    if known is not None and known != ("unknown",):
        binding = ("either", known, binding)
    bindings[name] = binding


def _alternatives(binding: tuple | None) -> list[tuple | None]:
    found, waiting = [], [binding]
    while waiting:
        one = waiting.pop()
        if one and one[0] == "either":
            waiting += one[1:]
        else:
            found.append(one)
    return found


def _member(owner: str | None, name: str | None) -> str | None:
    return f"{owner}.{name}" if owner and name else None


def _joined(parts: list[str | None]) -> str | None:
    if None in parts:
        return None
    text = "".join(parts)
    return text if len(text) <= TEXT_LIMIT else None


def _called(node: ast.Call) -> str | None:
    """Returns the plain name that a call is made by."""
    return node.func.id if isinstance(node.func, ast.Name) else None


def _evaluated_at_once(node: Node) -> list[Node]:
    """Returns the parts of a definition that run when it is made."""
    parts: list[Node] = list(getattr(node, "decorator_list", []))
    if isinstance(node, ast.ClassDef):
        return [*parts, *node.bases, *node.keywords]
    arguments = node.args
    return parts + [d for d in [*arguments.defaults, *arguments.kw_defaults] if d]


def _stored(statement: Node) -> set[str]:
    """Returns every name that code gives a value to, loops and comprehensions too."""
    return {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _declared_global(body: list[ast.stmt]) -> set[str]:
    found: set[str] = set()
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, (ast.Global, ast.Nonlocal)):
                found.update(node.names)
    return found


def _patched(statement: ast.stmt) -> set[str]:
    """Returns the names that a statement hangs something on, by any of its parts.

    `AttentionHead.call = …`, `setattr(AttentionHead, "call", …)`, and decorators or
    functions that are handed the class.
    """
    owners: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            owners.update(_root(node))
        elif isinstance(node, ast.Call) and _called(node) == "setattr" and node.args:
            owners.update(_root(node.args[0]))
    return owners - {"self"}


def _root(node: Node) -> set[str]:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()
