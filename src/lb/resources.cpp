#include "lb/resources.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "base/strings.hpp"

namespace cloudless::lb {

namespace json = boost::json;

namespace {

const json::object kNothing;

const json::object& object_at(const json::object& parent, std::string_view name) {
  const json::value* found = parent.if_contains(name);
  return found && found->is_object() ? found->get_object() : kNothing;
}

std::string text_at(const json::object& parent, std::string_view name) {
  const json::value* found = parent.if_contains(name);
  return found && found->is_string() ? std::string(found->get_string()) : std::string();
}

bool bool_at(const json::object& parent, std::string_view name, bool absent) {
  const json::value* found = parent.if_contains(name);
  return found && found->is_bool() ? found->get_bool() : absent;
}

std::vector<std::string> texts_at(const json::object& parent, std::string_view name) {
  std::vector<std::string> texts;
  const json::value* found = parent.if_contains(name);
  if (!found || !found->is_array()) return texts;
  for (const json::value& item : found->get_array()) {
    if (item.is_string()) texts.emplace_back(item.get_string());
  }
  return texts;
}

Result<std::vector<schema::LabelSelector>> selectors_at(const json::object& parent, std::string_view name) {
  std::vector<schema::LabelSelector> selectors;
  const json::value* found = parent.if_contains(name);
  if (!found || !found->is_array()) return selectors;
  for (const json::value& item : found->get_array())
    selectors.push_back(TRY(schema::LabelSelector::from_value(item)));
  return selectors;
}

schema::Labels labels_of(const json::object& object) {
  schema::Labels labels;
  for (const auto& [key, value] : object_at(object_at(object, "metadata"), "labels")) {
    if (value.is_string()) labels.emplace(key, value.get_string());
  }
  return labels;
}

bool any_matches(const std::vector<schema::LabelSelector>& selectors, const schema::Labels& labels) {
  return std::ranges::any_of(selectors,
                             [&](const schema::LabelSelector& selector) { return selector.matches(labels); });
}

bool confuses_firmware(const net::IpAddress& address) {
  if (!address.is_v4()) return false;
  const uint32_t last_octet = address.v4_host_order() & 0xff;
  return last_octet == 0 || last_octet == 255;
}

net::IpAddress last_of(const net::Prefix& prefix) {
  std::string bytes(prefix.masked().address.bytes());
  for (int bit = prefix.length; bit < prefix.address.bits(); ++bit)
    bytes[static_cast<size_t>(bit / 8)] |= static_cast<char>(0x80 >> (bit % 8));
  return net::IpAddress::from_bytes(bytes);
}

client::Resource metallb(std::string resource, std::string kind) {
  return {"metallb.io", "v1beta1", std::move(resource), std::move(kind), client::Scope::kNamespaced};
}

}  // namespace

Result<AddressRange> parse_range(std::string_view text) {
  const auto invalid = [&] { return fail(Code::kInvalid, "invalid CIDR or IP range {}", quote(text)); };
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) {
    const auto prefix = net::Prefix::parse(trim(text));
    if (!prefix || text.find('/') == std::string_view::npos) return invalid();
    return AddressRange{prefix->masked().address, last_of(*prefix)};
  }
  const auto first = net::IpAddress::parse(trim(text.substr(0, dash)));
  const auto last = net::IpAddress::parse(trim(text.substr(dash + 1)));
  if (!first || !last || first->is_v4() != last->is_v4() || *last < *first) return invalid();
  return AddressRange{*first, *last};
}

bool AddressPool::contains(const net::IpAddress& address) const {
  if (avoid_buggy_ips && confuses_firmware(address)) return false;
  return std::ranges::any_of(ranges, [&](const AddressRange& range) { return range.contains(address); });
}

bool L2Advertisement::covers(const AddressPool& pool) const {
  if (pools.empty() && pool_selectors.empty()) return true;
  return std::ranges::find(pools, pool.name) != pools.end() || any_matches(pool_selectors, pool.labels);
}

bool L2Advertisement::allows_node(const schema::Labels& labels) const {
  return node_selectors.empty() || any_matches(node_selectors, labels);
}

Result<AddressPool> parse_pool(const json::value& value) {
  if (!value.is_object()) return fail(Code::kInvalid, "an IPAddressPool is no object");
  const json::object& object = value.get_object();
  const json::object& spec = object_at(object, "spec");
  AddressPool pool;
  pool.name = text_at(object_at(object, "metadata"), "name");
  pool.labels = labels_of(object);
  pool.auto_assign = bool_at(spec, "autoAssign", true);
  pool.avoid_buggy_ips = bool_at(spec, "avoidBuggyIPs", false);
  for (const std::string& range : texts_at(spec, "addresses")) {
    auto parsed = parse_range(range);
    if (!parsed) return wrap(parsed.error(), "pool {}", quote(pool.name));
    pool.ranges.push_back(std::move(*parsed));
  }
  if (!spec.contains("serviceAllocation")) return pool;
  const json::object& allocation = object_at(spec, "serviceAllocation");
  pool.pinned = true;
  const json::value* priority = allocation.if_contains("priority");
  if (priority && priority->is_int64()) pool.priority = priority->get_int64();
  for (std::string& name : texts_at(allocation, "namespaces")) pool.namespaces.insert(std::move(name));
  pool.namespace_selectors = TRY(selectors_at(allocation, "namespaceSelectors"));
  pool.service_selectors = TRY(selectors_at(allocation, "serviceSelectors"));
  return pool;
}

Result<L2Advertisement> parse_l2_advertisement(const json::value& value) {
  if (!value.is_object()) return fail(Code::kInvalid, "an L2Advertisement is no object");
  const json::object& object = value.get_object();
  const json::object& spec = object_at(object, "spec");
  L2Advertisement advertisement;
  advertisement.name = text_at(object_at(object, "metadata"), "name");
  advertisement.pools = texts_at(spec, "ipAddressPools");
  advertisement.pool_selectors = TRY(selectors_at(spec, "ipAddressPoolSelectors"));
  advertisement.node_selectors = TRY(selectors_at(spec, "nodeSelectors"));
  for (std::string& name : texts_at(spec, "interfaces")) advertisement.interfaces.insert(std::move(name));
  return advertisement;
}

const client::Resource& address_pool_resource() {
  static const client::Resource resource = metallb("ipaddresspools", "IPAddressPool");
  return resource;
}

const client::Resource& l2_advertisement_resource() {
  static const client::Resource resource = metallb("l2advertisements", "L2Advertisement");
  return resource;
}

const client::Resource& service_l2_status_resource() {
  static const client::Resource resource = metallb("servicel2statuses", "ServiceL2Status");
  return resource;
}

const client::Resource& custom_resource_definition_resource() {
  static const client::Resource resource{"apiextensions.k8s.io", "v1", "customresourcedefinitions",
                                         "CustomResourceDefinition", client::Scope::kCluster};
  return resource;
}

}  // namespace cloudless::lb
