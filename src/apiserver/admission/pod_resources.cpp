#include "apiserver/admission/pod_resources.hpp"

#include <algorithm>

#include "apiserver/admission/pod_edits.hpp"

namespace cloudless::apiserver::admission {

namespace {

Amounts container_amounts(const json::object& container, ResourceKind kind) {
  const json::object* list =
      object_at(container, {"resources", kind == ResourceKind::kRequests ? "requests" : "limits"});
  return list ? read_amounts(*list) : Amounts();
}

}  // namespace

Amounts read_amounts(const json::object& list) {
  Amounts out;
  for (const auto& [name, value] : list) {
    const std::string text = value.is_string() ? std::string(value.get_string()) : json::serialize(value);
    const auto parsed = schema::parse_quantity(text);
    out[std::string(name)] = parsed ? parsed->nanos : 0;
  }
  return out;
}

void add(Amounts& to, const Amounts& amounts) {
  for (const auto& [name, amount] : amounts) to[name] += amount;
}

void raise(Amounts& to, const Amounts& amounts) {
  for (const auto& [name, amount] : amounts) to[name] = std::max(to[name], amount);
}

Amounts pod_amounts(const json::object& spec, ResourceKind kind) {
  Amounts running;
  for (const json::value& container : array_at(spec, {"containers"})) {
    if (container.is_object()) add(running, container_amounts(container.get_object(), kind));
  }
  Amounts sidecars;
  Amounts starting;
  for (const json::value& item : array_at(spec, {"initContainers"})) {
    if (!item.is_object()) continue;
    Amounts amounts = container_amounts(item.get_object(), kind);
    if (text_at(item.get_object(), {"restartPolicy"}) == "Always") {
      add(running, amounts);
      add(sidecars, amounts);
      raise(starting, sidecars);
    } else {
      add(amounts, sidecars);
      raise(starting, amounts);
    }
  }
  raise(running, starting);
  if (const json::object* overhead = object_at(spec, {"overhead"})) {
    for (const auto& [name, amount] : read_amounts(*overhead)) {
      // Overhead adds to a limit only where there is one.
      if (kind == ResourceKind::kRequests || running.contains(name)) running[name] += amount;
    }
  }
  return running;
}

std::string amount_text(schema::NanoUnits amount, std::string_view resource) {
  const bool binary = resource.find("memory") != std::string_view::npos ||
                      resource.find("storage") != std::string_view::npos ||
                      resource.find("hugepages") != std::string_view::npos;
  return schema::format_quantity(
      {amount, binary ? schema::QuantityFormat::kBinarySI : schema::QuantityFormat::kDecimalSI});
}

}  // namespace cloudless::apiserver::admission
