"""Parse the config text in a checkpoint without running it.

mmengine writes a config as statements ``name = dict(key=...)`` of plain
values. Such a text comes with weights from anywhere, so it is only parsed.
"""

import ast
from typing import Any


def parse_config(text: str) -> dict[str, Any]:
    """Return the values of a config's text by their names.

    Args:
        text: The text of ``Config.pretty_text``. Statements that are not plain
            values, such as imports, are skipped.

    Raises:
        ValueError: If it is not Python.
    """
    try:
        statements = ast.parse(text).body
    except SyntaxError as error:
        raise ValueError(f'the config is not Python: {error}') from error
    values: dict[str, Any] = {}
    for statement in statements:
        if not isinstance(statement, ast.Assign):
            continue
        target = statement.targets[0]
        if not isinstance(target, ast.Name):
            continue
        try:
            values[target.id] = _value(statement.value)
        except ValueError:
            continue
    return values


def _value(node: ast.AST) -> Any:
    """Return the value of an expression of plain values.

    Raises:
        ValueError: If it contains something else.
    """
    if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'dict':
        merged: dict[str, Any] = {}
        for entry in node.args:
            merged |= _value(entry)
        for word in node.keywords:
            value = _value(word.value)
            merged |= value if word.arg is None else {word.arg: value}
        return merged
    if isinstance(node, ast.Dict) and None not in node.keys:
        pairs = zip(node.keys, node.values, strict=True)
        return {_value(k): _value(v) for k, v in pairs if k is not None}
    if isinstance(node, ast.List | ast.Tuple):
        values = [_value(entry) for entry in node.elts]
        return values if isinstance(node, ast.List) else tuple(values)
    return ast.literal_eval(node)
