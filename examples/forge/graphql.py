"""Enough of GraphQL to answer any query of gh: parses a document, and selects what it names from Python objects.

A type is a dictionary of its fields with `__typename`; a field may be a function of the arguments. A field that a type
lacks is an error, as it is at GitHub, so that a query for something unknown is seen and not answered with nothing."""
import json
import re

TOKEN = re.compile(r'[\s,]+|#[^\n]*|(\.\.\.|[!$():=@\[\]{}|]|[_A-Za-z]\w*|-?\d+(?:\.\d+)?|"(?:\\.|[^"\\])*")')


class Fault(Exception):
    """An error that the client is told."""


def tokens(text):
    at, found = 0, []
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise Fault(f"Parse error on {text[at:at + 20]!r}")
        if match[1]:
            found.append(match[1])
        at = match.end()
    return found


class Document:
    def __init__(self, text):
        self.rest, self.at = tokens(text), 0
        self.operation, self.fragments, self.defaults = None, {}, {}
        while self.at < len(self.rest):
            self.definition()

    def peek(self):
        return self.rest[self.at] if self.at < len(self.rest) else ""

    def take(self, expected=None):
        token = self.peek()
        if not token or (expected and token != expected):
            raise Fault(f"Parse error: {expected or 'more'} expected, not {token!r}")
        self.at += 1
        return token

    def definition(self):
        if self.peek() == "fragment":
            self.take()
            name = self.take()
            self.take("on")
            self.fragments[name] = (self.take(), self.selection())
            return
        kind, name = "query", ""
        if self.peek() != "{":
            kind = self.take()
            if self.peek() not in "({":
                name = self.take()
            if self.peek() == "(":
                self.variables()
        self.operation = (kind, name, self.selection())

    def variables(self):
        self.take("(")
        while self.peek() != ")":
            self.take("$")
            name = self.take()
            while self.peek() not in ("$", ")", "="):
                self.take()
            if self.peek() == "=":
                self.take()
                self.defaults[name] = self.value({})
        self.take(")")

    def selection(self):
        found = []
        self.take("{")
        while self.peek() != "}":
            if self.peek() == "...":
                self.take()
                if self.peek() == "on":
                    self.take()
                    found.append(("inline", self.take(), self.selection()))
                else:
                    found.append(("spread", self.take()))
                continue
            alias = name = self.take()
            if self.peek() == ":":
                self.take()
                name = self.take()
            args = self.arguments() if self.peek() == "(" else {}
            found.append(("field", alias, name, args, self.selection() if self.peek() == "{" else None))
        self.take("}")
        return found

    def arguments(self):
        found = {}
        self.take("(")
        while self.peek() != ")":
            name = self.take()
            self.take(":")
            found[name] = self.literal()
        self.take(")")
        return found

    def literal(self):
        """A value that is known once the variables are."""
        token = self.take()
        if token == "$":
            name = self.take()
            return lambda variables: variables.get(name, self.defaults.get(name))
        if token == "[":
            some = []
            while self.peek() != "]":
                some.append(self.literal())
            self.take("]")
            return lambda variables: [one(variables) for one in some]
        if token == "{":
            fields = {}
            while self.peek() != "}":
                name = self.take()
                self.take(":")
                fields[name] = self.literal()
            self.take("}")
            return lambda variables: {name: one(variables) for name, one in fields.items()}
        constant = {"true": True, "false": False, "null": None}.get(token, token)
        if isinstance(constant, str) and re.match(r'["\d-]', constant):
            constant = json.loads(constant)
        return lambda _: constant

    def value(self, variables):
        return self.literal()(variables)


def select(document, selection, value, variables):
    """What a selection picks of a value."""
    if isinstance(value, list):
        return [select(document, selection, one, variables) for one in value]
    if value is None or selection is None:
        return value
    found = {}
    for part in selection:
        if part[0] == "field":
            _, alias, name, args, inner = part
            if name not in value:
                raise Fault(f"Field '{name}' doesn't exist on type '{value.get('__typename', '?')}'")
            field = value[name]
            if callable(field):
                field = field({key: arg(variables) for key, arg in args.items()})
            picked = select(document, inner, field, variables)
            both = isinstance(picked, dict) and isinstance(found.get(alias), dict)
            found[alias] = {**found[alias], **picked} if both else picked
            continue
        of, inner = document.fragments[part[1]] if part[0] == "spread" else part[1:]
        if of == value.get("__typename"):
            found.update(select(document, inner, value, variables))
    return found


def execute(request, roots):
    """The answer to a request; `roots` has the fields of queries and of mutations."""
    try:
        document = Document(request["query"])
        kind, _, selection = document.operation
        return {"data": select(document, selection, roots[kind], request.get("variables") or {})}
    except Fault as error:
        return {"data": None, "errors": [{"type": "FAULT", "message": str(error), "path": []}]}


def connection(some):
    """A list as a page: gh asks for `nodes`, some libraries for `edges`."""

    def page(args):
        first, last = args.get("first"), args.get("last")
        after = int(args.get("after") or 0)
        nodes = some[after:]
        nodes = nodes[:first] if first is not None else nodes[-last:] if last is not None else nodes
        end = after + len(nodes)
        info = {"__typename": "PageInfo", "hasNextPage": end < len(some) and last is None, "endCursor": str(end),
                "hasPreviousPage": False, "startCursor": str(after)}
        edges = [{"__typename": "Edge", "node": node, "cursor": ""} for node in nodes]
        return {"__typename": "Connection", "nodes": nodes, "edges": edges, "totalCount": len(some), "pageInfo": info}

    return page
