#!/usr/bin/env python3
"""Turns /api into C++: plain structs, schema tables and the resource list.

usage: generate.py SOURCE_DIR OUTPUT_DIR

Per package PKG of SOURCE_DIR/PKG.kinds: OUTPUT_DIR/PKG.hpp (structs) and PKG.cpp (tables); and resources.cpp.
The format of the descriptions is in README.md beside this file. Standard library only.
"""

import json
import pathlib
import re
import sys

SCALARS = {  # type in a description: (schema constant, C++ type)
    "string": ("kString", "std::string"),
    "bool": ("kBool", "bool"),
    "int32": ("kInt32", "int32_t"),
    "int64": ("kInt64", "int64_t"),
    "float64": ("kDouble", "double"),
    "bytes": ("kBytes", "std::string"),
    "Quantity": ("kQuantity", "schema::Quantity"),
    "IntOrString": ("kIntOrString", "schema::IntOrString"),
    "Time": ("kTime", "schema::Time"),
    "MicroTime": ("kMicroTime", "schema::Time"),
    "Duration": ("kDuration", "Duration"),
    "RawExtension": ("kRawExtension", "schema::RawJson"),
    "FieldsV1": ("kFieldsV1", "schema::RawJson"),
    "JSON": ("kJson", "schema::RawJson"),
    "StringList": ("kStringList", "std::vector<std::string>"),
}
# Their own absent value, so that pointers need no optional around them.
SELF_OPTIONAL = {"Time", "MicroTime", "RawExtension", "FieldsV1", "JSON"}
# JSON schemas nest without end and are walked as JSON: structs hold them as text.
SCHEMA_FORMS = {
    "JSONSchemaPropsOrArray": "kSchemaOrArray",
    "JSONSchemaPropsOrBool": "kSchemaOrBool",
    "JSONSchemaPropsOrStringArray": "kSchemaOrStrings",
}
TEXT_TYPES = {"JSONSchemaProps"} | set(SCHEMA_FORMS)
KEYWORDS = set("""alignas alignof and asm auto bool break case catch char class const continue default delete do
double else enum explicit export extern false float for friend goto if inline int long namespace new not operator or
private protected public register return short signed sizeof static struct switch template this throw true try
typedef typename union unsigned using virtual void volatile while xor requires concept""".split())
FLAG_WORDS = {"required": "kRequired", "omitzero": "kOmitZero"}


class Field:
    def __init__(self, package, line):
        words = line.split()
        self.inline = words[0] == "+"
        self.omitempty = words[0].endswith("?")
        self.name = words[0].rstrip("?")
        self.tag = 0 if words[1] == "-" else int(words[1])
        kind = words[2]
        self.pointer = kind.startswith("*")
        self.container = "list" if kind.startswith("[]") else "map" if kind.startswith("map[") else ""
        self.base = re.sub(r"^(\*|\[\]|map\[)", "", kind).rstrip("]")
        self.package = package
        self.flags, self.list_type, self.list_keys, self.merge_key = [], "atomic", "", ""
        self.map_type, self.enum, self.max_items, self.format = "", "", -1, ""
        self.list_type_given = False
        for word in words[3:]:
            self.read_word(word)
        if self.omitempty:
            self.flags.append("kOmitEmpty")
        if self.pointer:
            self.flags.append("kPointer")

    def read_word(self, word):
        key, _, value = word.partition("=")
        if key in FLAG_WORDS:
            self.flags.append(FLAG_WORDS[key])
        elif key == "list":
            self.list_type, self.list_keys = split_call(value)
        elif key == "map":
            self.map_type = value
            self.flags.append("kAtomicMap" if value == "atomic" else "kGranularMap")
        elif key == "patch":
            strategies, self.merge_key = split_call(value)
            names = {"merge": "kPatchMerge", "retainKeys": "kPatchRetainKeys", "replace": "kPatchReplace"}
            self.flags += [names[s] for s in strategies.split(",")]
        elif key == "enum":
            self.enum = value
        elif key == "max_items":
            self.max_items = int(value)
        elif key == "format":
            self.format = value
        elif key != "minimum":
            raise ValueError(f"unknown word {word}")


def split_call(text):
    """'map(a,b)' is ('map', 'a,b'); 'set' is ('set', '')."""
    name, _, arguments = text.partition("(")
    return name, arguments.rstrip(")")


class Message:
    def __init__(self, package, line):
        words = line.split()
        self.is_kind = words[0] == "kind"
        self.name = words[1]
        self.atomic = "map=atomic" in words[2:]
        self.package = package
        self.fields, self.defaults = [], []


class Package:
    def __init__(self, path):
        self.file = path.stem
        self.messages, self.enums = {}, {}
        message = None
        for number, line in enumerate(path.read_text().splitlines(), 1):
            try:
                message = self.read_line(line, message)
            except (ValueError, IndexError, KeyError) as error:
                sys.exit(f"{path}:{number}: {error}: {line}")

    def read_line(self, line, message):
        text = line.strip()
        if not text or text.startswith("#"):
            return message
        word = text.split()[0]
        if line[0] == " ":
            if word == "@default":
                message.defaults.append(read_default(text))
            elif word != "@computed":
                message.fields.append(Field(self, text))
        elif word == "package":
            values = dict(w.split("=") for w in text.split()[2:])
            self.name = text.split()[1]
            self.group = {"core": "", "-": ""}.get(values["group"], values["group"])
            self.version = values["version"]
            self.proto = values["proto"]
            self.namespace = "cloudless::api::" + self.name.replace(".", "::")
        elif word == "enum":
            head, _, values = text.partition('"')
            self.enums[head.split()[1]] = ("closed" in head.split()[2:], re.findall(r'"([^"]*)"', '"' + values))
        else:
            message = Message(self, text)
            self.messages[message.name] = message
        return message


def read_default(text):
    words = text.split()
    condition_path, _, values = words[-1].partition("=") if "if" in words else ("", "", "")
    return (words[1], words[2], "create" in words[3:], "zero" in words[3:], condition_path, values)


class World:
    def __init__(self, source):
        self.packages = {}
        for path in sorted(source.glob("*.kinds")):
            package = Package(path)
            self.packages[package.name] = package

    def resolve(self, package, name):
        """The message that a type name in `package` means, or None for a scalar or special type."""
        if name in SCALARS or name in SCHEMA_FORMS:
            return None
        if "." in name:
            prefix, _, name = name.rpartition(".")
            package = self.packages[prefix]
        return package.messages[name]


def identifier(name):
    return name + "_" if name in KEYWORDS else name


def quoted(text):
    return json.dumps(text)


class Writer:
    """Writes the header and the tables of one package."""

    def __init__(self, world, package):
        self.world = world
        self.package = package
        self.nodes = {}      # (container, item, attributes): name of a list or map schema of this file
        self.node_lines = []
        self.externs = set()

    # Structs.

    def cpp_base(self, field):
        if field.base in TEXT_TYPES:
            return "schema::RawJson"
        message = self.world.resolve(field.package, field.base)
        if message is None:
            return SCALARS[field.base][1]
        if message.package is self.package:
            return message.name
        return message.package.name.replace(".", "::") + "::" + message.name if message.package.name != "version" \
            else "version::" + message.name

    def cpp_base_full(self, field):
        base = self.cpp_base(field)
        message = self.world.resolve(field.package, field.base) if field.base not in TEXT_TYPES else None
        return f"::{message.package.namespace}::{message.name}" if message else base.replace(
            "schema::", "::cloudless::schema::")

    def cpp_type(self, field):
        base = self.cpp_base_full(field)
        if field.container == "list":
            return f"std::vector<{base}>"
        if field.container == "map":
            return f"std::map<std::string, {base}>"
        if not field.pointer or field.base in SELF_OPTIONAL or field.base in TEXT_TYPES:
            return base
        if self.world.resolve(field.package, field.base):
            return f"::cloudless::schema::Boxed<{base}>"
        return f"std::optional<{base}>"

    def local_order(self):
        """Messages of the package, each after those it holds by value."""
        done, order = set(), []

        def visit(message):
            if message.name in done or message.name in TEXT_TYPES:
                return
            done.add(message.name)
            for field in message.fields:
                held = None if field.base in TEXT_TYPES else self.world.resolve(field.package, field.base)
                if held and held.package is self.package:
                    visit(held)
            order.append(message)

        for message in self.package.messages.values():
            visit(message)
        return order

    def includes(self):
        needed = set()
        for message in self.package.messages.values():
            for field in message.fields:
                if field.base in TEXT_TYPES:
                    continue
                held = self.world.resolve(field.package, field.base)
                if held and held.package is not self.package:
                    needed.add(held.package.file)
        return sorted(needed)

    def header(self):
        out = [f"// Generated from api/{self.package.file}.kinds by api/generate.py.", "#pragma once", "",
               "#include <cstdint>", "#include <map>", "#include <optional>", "#include <string>",
               "#include <string_view>", "#include <vector>", "", '#include "schema/schema.hpp"']
        out += [f'#include "api/{file}.hpp"' for file in self.includes()]
        out += ["", f"namespace {self.package.namespace} {{", ""]
        for message in self.local_order():
            out += self.struct(message)
        out.append(f"}}  // namespace {self.package.namespace}")
        return "\n".join(out) + "\n"

    def struct(self, message):
        bases = [f for f in message.fields if f.inline]
        head = f"struct {message.name}"
        if bases:
            head += " : " + ", ".join(self.cpp_base_full(f) for f in bases)
        out = [head + " {"]
        if message.is_kind:
            version = f"{self.package.group}/{self.package.version}" if self.package.group and \
                self.package.group != "meta.k8s.io" else self.package.version
            out += [f"  static constexpr std::string_view kKind = {quoted(message.name)};",
                    f"  static constexpr std::string_view kApiVersion = {quoted(version)};",
                    f"  static constexpr std::string_view kGroup = {quoted(self.package.group)};"]
        out.append("  static const ::cloudless::schema::Schema& describe();")
        for field in message.fields:
            if not field.inline:
                kind = self.cpp_type(field)
                zero = " = 0" if kind in ("int32_t", "int64_t", "double") else " = false" if kind == "bool" else \
                    "{}" if kind == "Duration" else ""
                out.append(f"  {kind} {identifier(field.name)}{zero};")
        out += [f"  friend bool operator==(const {message.name}&, const {message.name}&) = default;", "};", ""]
        return out

    # Tables.

    def schema_of(self, field):
        item = self.item_schema(field)
        if not field.container:
            return item
        attributes = (field.list_type, field.list_keys) if field.container == "list" else (
            "atomic" if field.map_type == "atomic" else "granular", "")
        key = (field.container, item, attributes)
        if key not in self.nodes:
            name = f"node_{len(self.nodes)}"
            self.nodes[key] = name
            base = self.cpp_base_full(field)
            if field.container == "list":
                kind = {"atomic": "kAtomic", "set": "kSet", "map": "kMap"}[field.list_type]
                self.node_lines.append(
                    f"const Schema {name}{{.form = Form::kList, .items = &{item}, .list_type = ListType::{kind}, "
                    f".list_map_keys = {quoted(field.list_keys)}, .list_ops = &kListOps<{base}>}};")
            else:
                atomic = "true" if field.map_type == "atomic" else "false"
                self.node_lines.append(
                    f"const Schema {name}{{.form = Form::kMap, .items = &{item}, .atomic_map = {atomic}, "
                    f".map_ops = &kMapOps<{base}>}};")
        return self.nodes[key]

    def item_schema(self, field):
        if field.base in SCHEMA_FORMS:
            return f"::cloudless::api::apiextensions::v1::tables::k{field.base}"
        message = self.world.resolve(field.package, field.base)
        if message is None:
            return f"::cloudless::schema::{SCALARS[field.base][0]}"
        if message.package is not self.package:
            self.externs.add((message.package.namespace, message.name))
        return f"::{message.package.namespace}::tables::k{message.name}"

    def flattened(self, message):
        """The fields as they stand in JSON, inlined ones in their place."""
        for field in message.fields:
            if field.inline:
                yield from self.flattened(self.world.resolve(field.package, field.base))
            else:
                yield field

    def field_row(self, message, field):
        flags = " | ".join(f"Field::{flag}" for flag in field.flags) or "0"
        offset, optional = "0", "nullptr"
        if message.name not in TEXT_TYPES:
            offset = f"offsetof({message.name}, {identifier(field.name)})"
            kind = self.cpp_type(field)
            if kind.startswith(("std::optional", "::cloudless::schema::Boxed")):
                optional = f"&kOptionalOps<{kind}>"
        enum = "nullptr"
        if field.enum:
            prefix, _, name = field.enum.rpartition(".")
            owner = self.world.packages[prefix] if prefix else field.package
            if owner is not self.package:
                self.externs.add((owner.namespace, "enum " + name))
            enum = f"&::{owner.namespace}::tables::kEnum{name}"
        return (f"    {{.name = {quoted(field.name)}, .type = &{self.schema_of(field)}, .flags = {flags}, "
                f".offset = {offset}, .optional = {optional}, .enumeration = {enum}, "
                f".merge_key = {quoted(field.merge_key)}, .max_items = {field.max_items}, "
                f".format = {quoted(field.format)}}},")

    def message_tables(self, message):
        name = message.name
        fields = list(self.flattened(message))
        out = []
        if fields:
            out.append(f"const Field {name}_fields[] = {{")
            out += [self.field_row(message, field) for field in fields]
            out.append("};")
        wire = []
        for field in message.fields:
            if field.tag and field.inline:
                wire.append((field.tag, f"    {{{field.tag}, nullptr, &{self.item_schema(field)}}},"))
            elif field.tag:
                index = next(i for i, f in enumerate(fields) if f is field)
                wire.append((field.tag, f"    {{{field.tag}, &{name}_fields[{index}], nullptr}},"))
        if wire:
            out += [f"const WireField {name}_wire[] = {{"] + [row for _, row in sorted(wire)] + ["};"]
        if message.defaults:
            out.append(f"const Default {name}_defaults[] = {{")
            for path, value, create, zero, condition, values in message.defaults:
                out.append(f"    {{{quoted(path)}, {quoted(value)}, {str(create).lower()}, {str(zero).lower()}, "
                           f"{quoted(condition)}, {quoted(values)}}},")
            out.append("};")
        return out

    def message_schema(self, message):
        name, parts = message.name, [".form = Form::kStruct", f".name = {quoted(message.name)}",
                                     f".package = {quoted(self.package.proto)}"]
        if message.is_kind:
            parts += [f".group = {quoted(self.package.group)}", f".version = {quoted(self.package.version)}",
                      ".is_kind = true"]
        if name in TEXT_TYPES:
            parts.append(".text_in_struct = true")
        if list(self.flattened(message)):
            parts.append(f".fields = {name}_fields")
        if any(f.tag for f in message.fields):
            parts.append(f".wire = {name}_wire")
        if message.atomic:
            parts.append(".atomic_map = true")
        if message.defaults:
            parts.append(f".defaults = {name}_defaults")
        return f"const Schema k{name}{{{', '.join(parts)}}};"

    def source(self):
        messages = list(self.package.messages.values())
        body = []
        for message in messages:
            body += self.message_tables(message)
        out = [f"// Generated from api/{self.package.file}.kinds by api/generate.py.",
               f'#include "api/{self.package.file}.hpp"', "", "#include <cstddef>", "",
               '#pragma clang diagnostic ignored "-Winvalid-offsetof"', ""]
        for namespace, name in sorted(self.externs):
            kind = f"Enum kEnum{name[5:]}" if name.startswith("enum ") else f"Schema k{name}"
            out.append(f"namespace {namespace}::tables {{ extern const schema::{kind}; }}")
        if self.package.name == "apiextensions.v1":
            out += [""]
        out += ["", f"namespace {self.package.namespace}::tables {{", "",
                "using namespace ::cloudless::schema;", ""]
        out += [f"extern const Schema k{m.name};" for m in messages]
        if self.package.name == "apiextensions.v1":
            out += [f"extern const Schema k{name};" for name in SCHEMA_FORMS]
            out += [f"const Schema k{name}{{.form = Form::{form}, .name = {quoted(name)}, "
                    f".package = {quoted(self.package.proto)}, .text_in_struct = true, .items = &kJSONSchemaProps}};"
                    for name, form in SCHEMA_FORMS.items()]
        for name, (closed, values) in self.package.enums.items():
            out += [f"const std::string_view {name}_values[] = {{{', '.join(quoted(v) for v in values)}}};",
                    f"extern const Enum kEnum{name};",
                    f"const Enum kEnum{name}{{{quoted(name)}, {name}_values, {str(closed).lower()}}};"]
        out += ["", "namespace {"] + self.node_lines + body + ["}  // namespace", ""]
        out += [self.message_schema(m) for m in messages]
        out += ["", f"}}  // namespace {self.package.namespace}::tables", "", f"namespace {self.package.namespace} {{"]
        out += [f"const ::cloudless::schema::Schema& {m.name}::describe() {{ return tables::k{m.name}; }}"
                for m in messages if m.name not in TEXT_TYPES]
        out += [f"}}  // namespace {self.package.namespace}"]
        return "\n".join(out) + "\n"


def resource_source(world, path):
    by_group = {(p.group, p.version): p for p in world.packages.values() if p.name != "meta.v1"}
    used, rows, arrays = set(), [], []

    def table(group, version, kind):
        package = by_group.get((group, version))
        if package is None or kind not in package.messages:
            return "nullptr"
        used.add((package.namespace, kind))
        return f"&::{package.namespace}::tables::k{kind}"

    def array(values):
        if not values:
            return "{}"
        arrays.append(f"const std::string_view list_{len(arrays)}[] = "
                      f"{{{', '.join(quoted(v) for v in values.split(','))}}};")
        return f"list_{len(arrays) - 1}"

    for line in path.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        group, version, resource, singular, kind, scope, verbs, *words = line.split()
        extra = dict(word.split("=", 1) for word in words)
        group = "" if group == "core" else group
        kind, _, kind_version = kind.partition("=")
        kind_group, kind_version = split_group_version(kind_version) if kind_version else (group, version)
        schema = table(kind_group, kind_version, kind)
        request = schema
        if "request" in extra:
            prefix, _, request_kind = extra["request"].rpartition("/")
            request = table(*split_group_version(prefix), request_kind)
        rows.append(f"    {{.group = {quoted(group)}, .version = {quoted(version)}, .resource = {quoted(resource)}, "
                    f".singular = {quoted('' if singular == '-' else singular)}, .kind = {quoted(kind)}, "
                    f".kind_group = {quoted(kind_group)}, .kind_version = {quoted(kind_version)}, "
                    f".namespaced = {'true' if scope == 'namespaced' else 'false'}, .verbs = {array(verbs)}, "
                    f".short_names = {array(extra.get('short', ''))}, "
                    f".categories = {array(extra.get('categories', ''))}, .schema = {schema}, "
                    f".request_schema = {request}, "
                    f".delete_returns_object = {'true' if 'delete_returns' in extra else 'false'}, "
                    f".query = {array(extra.get('query', ''))}}},")
    kinds = [(p.namespace, m.name) for p in world.packages.values() for m in p.messages.values()]
    out = ["// Generated from api/resources.txt by api/generate.py.", '#include "api/registry.hpp"', ""]
    out += [f"namespace {namespace}::tables {{ extern const schema::Schema k{name}; }}" for namespace, name in kinds]
    out += ["", "namespace cloudless::api {", "namespace {"] + arrays
    out += ["const schema::ResourceInfo kResources[] = {"] + rows + ["};", "const schema::Schema* const kTypes[] = {"]
    out += [f"    &::{namespace}::tables::k{name}," for namespace, name in kinds]
    out += ["};", "}  // namespace", "",
            "std::span<const schema::ResourceInfo> resources() { return kResources; }",
            "std::span<const schema::Schema* const> types() { return kTypes; }", "", "}  // namespace cloudless::api"]
    return "\n".join(out) + "\n"


def split_group_version(text):
    group, _, version = text.rpartition("/")
    return group, version


def write_if_changed(path, text):
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def main():
    source, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    output.mkdir(parents=True, exist_ok=True)
    world = World(source)
    for package in world.packages.values():
        writer = Writer(world, package)
        write_if_changed(output / f"{package.file}.hpp", writer.header())
        write_if_changed(output / f"{package.file}.cpp", writer.source())
    write_if_changed(output / "resources.cpp", resource_source(world, source / "resources.txt"))


if __name__ == "__main__":
    main()
