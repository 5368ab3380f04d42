#include "dns/name.hpp"

#include "base/strings.hpp"

namespace cloudless::dns {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes one character, escaped or not, off the front of `text`.
Result<char> take_character(std::string_view& text) {
  const char c = text[0];
  text.remove_prefix(1);
  if (c != '\\') return c;
  if (text.empty()) return fail(Code::kInvalid, "a name ends in the middle of an escape");
  if (!is_digit(text[0])) {
    const char escaped = text[0];
    text.remove_prefix(1);
    return escaped;
  }
  if (text.size() < 3 || !is_digit(text[1]) || !is_digit(text[2])) {
    return fail(Code::kInvalid, "an escape needs three digits");
  }
  const int value = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
  if (value > 255) return fail(Code::kInvalid, "escape \\{} is not a byte", text.substr(0, 3));
  text.remove_prefix(3);
  return static_cast<char>(value);
}

Result<> append_label(std::string& wire, std::string_view label) {
  if (label.empty()) return fail(Code::kInvalid, "a name has an empty label");
  if (label.size() > kMaxLabelBytes) {
    return fail(Code::kInvalid, "label {} is longer than {} bytes", quote(label), kMaxLabelBytes);
  }
  wire += static_cast<char>(label.size());
  wire += label;
  return {};
}

Result<> check_length(const std::string& wire) {
  if (wire.size() > kMaxNameBytes)
    return fail(Code::kInvalid, "a name is longer than {} bytes", kMaxNameBytes);
  return {};
}

}  // namespace

Result<Name> Name::parse(std::string_view text, const Name& origin) {
  if (text.empty()) return fail(Code::kInvalid, "a name is empty");
  if (text == "@") return origin;
  if (text == ".") return Name();
  std::string wire;
  std::string label;
  bool absolute = false;
  while (!text.empty()) {
    if (text[0] == '.') {
      text.remove_prefix(1);
      TRY(append_label(wire, label));
      label.clear();
      absolute = text.empty();
    } else {
      label += TRY(take_character(text));
    }
  }
  if (!absolute) TRY(append_label(wire, label));
  wire += absolute ? std::string(1, '\0') : origin.wire_;
  TRY(check_length(wire));
  return Name(std::move(wire));
}

Result<Name> Name::from_wire(std::string_view wire) {
  if (wire.size() > kMaxNameBytes)
    return fail(Code::kInvalid, "a name is longer than {} bytes", kMaxNameBytes);
  size_t at = 0;
  while (at < wire.size() && wire[at] != 0) {
    const auto length = static_cast<uint8_t>(wire[at]);
    if (length > kMaxLabelBytes)
      return fail(Code::kInvalid, "a label is longer than {} bytes", kMaxLabelBytes);
    at += length + 1u;
  }
  if (at + 1 != wire.size()) return fail(Code::kInvalid, "a name does not end with the root label");
  return Name(std::string(wire));
}

std::string Name::to_text() const {
  if (is_root()) return ".";
  std::string text;
  for (size_t at = 0; wire_[at] != 0;) {
    const auto length = static_cast<uint8_t>(wire_[at]);
    for (size_t i = at + 1; i <= at + length; ++i) {
      const char c = wire_[i];
      if (c <= 0x20 || c >= 0x7f) {
        text += fmt::format("\\{:03}", static_cast<uint8_t>(c));
      } else {
        if (std::string_view(".\\\";()@$").find(c) != std::string_view::npos) text += '\\';
        text += c;
      }
    }
    text += '.';
    at += length + 1u;
  }
  return text;
}

// Length bytes are below 'A', so lowering the whole wire form touches labels only.
Name Name::canonical() const { return Name(to_lower(wire_)); }

CanonicalName::CanonicalName(const Name& name) : size_(name.wire().size()) {
  for (size_t i = 0; i < size_; ++i) {
    const char c = name.wire()[i];
    bytes_[i] = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
  }
}

size_t Name::label_count() const {
  size_t count = 0;
  for (size_t at = 0; wire_[at] != 0; at += static_cast<uint8_t>(wire_[at]) + 1u) ++count;
  return count;
}

std::string_view Name::first_label() const {
  return std::string_view(wire_).substr(1, static_cast<uint8_t>(wire_[0]));
}

Name Name::parent() const { return Name(wire_.substr(static_cast<uint8_t>(wire_[0]) + 1u)); }

bool Name::is_within(const Name& ancestor) const {
  size_t at = 0;
  while (wire_.size() - at > ancestor.wire_.size()) at += static_cast<uint8_t>(wire_[at]) + 1u;
  return equal_ignoring_case(std::string_view(wire_).substr(at), ancestor.wire_);
}

Result<Name> Name::with_label(std::string_view label) const {
  std::string wire;
  TRY(append_label(wire, label));
  wire += wire_;
  TRY(check_length(wire));
  return Name(std::move(wire));
}

Result<Name> Name::appended_to(const Name& suffix) const {
  std::string wire = wire_.substr(0, wire_.size() - 1) + suffix.wire_;
  TRY(check_length(wire));
  return Name(std::move(wire));
}

}  // namespace cloudless::dns
