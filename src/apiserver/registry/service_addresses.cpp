#include "apiserver/registry/service_addresses.hpp"

#include <algorithm>
#include <optional>

#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver {

namespace {

// The lower part of a range is left to those who ask for an address by name (KEP-3070).
constexpr uint64_t kStaticBandMin = 16;
constexpr uint64_t kStaticBandMax = 256;
constexpr std::string_view kNone = "None";
constexpr std::string_view kSingleStack = "SingleStack";
constexpr std::string_view kRequireDualStack = "RequireDualStack";

using Texts = std::vector<std::string>;

Texts texts_at(const json::object& object, Path path) {
  Texts out;
  for (const json::value& value : array_at(object, path)) {
    if (value.is_string()) out.emplace_back(value.get_string());
  }
  return out;
}

json::array to_array(const Texts& texts) { return json::array(texts.begin(), texts.end()); }

std::string_view family_of(std::string_view address) { return address.contains(':') ? "IPv6" : "IPv4"; }
std::string_view other_family(std::string_view family) { return family == "IPv4" ? "IPv6" : "IPv4"; }

// What is being settled: the fields of the Service, before they are written back.
struct Wanted {
  Texts addresses;
  Texts families;
  std::string policy;

  bool headless() const { return !addresses.empty() && addresses.front() == kNone; }
};

Wanted wanted_of(const json::object& service) {
  Wanted wanted{.addresses = texts_at(service, {"spec", "clusterIPs"}),
                .families = texts_at(service, {"spec", "ipFamilies"}),
                .policy = std::string(text_at(service, {"spec", "ipFamilyPolicy"}))};
  const std::string first(text_at(service, {"spec", "clusterIP"}));
  // Clients that know clusterIP alone change it alone.
  if (!first.empty() && (wanted.addresses.empty() || wanted.addresses.front() != first))
    wanted.addresses = {first};
  return wanted;
}

// An update to SingleStack gives up the second address and family, unless it changes them itself.
void give_up_second(Wanted& wanted, const json::object* old_service) {
  if (!old_service || wanted.policy != kSingleStack) return;
  if (text_at(*old_service, {"spec", "ipFamilyPolicy"}) == kSingleStack) return;
  if (wanted.addresses.size() == 2 && wanted.addresses == texts_at(*old_service, {"spec", "clusterIPs"}))
    wanted.addresses.resize(1);
  if (wanted.families.size() == 2 && wanted.families == texts_at(*old_service, {"spec", "ipFamilies"}))
    wanted.families.resize(1);
}

const ServiceRange* range_of(const std::vector<ServiceRange>& ranges, std::string_view family) {
  const auto found = std::ranges::find(ranges, family, &ServiceRange::family);
  return found == ranges.end() ? nullptr : &*found;
}

// A headless Service without selector has no addresses and no endpoints of ours: any family will do.
bool takes_any_family(const json::object& service, const Wanted& wanted) {
  const json::object* selector = object_at(service, {"spec", "selector"});
  return wanted.headless() && (!selector || selector->empty());
}

ApiResult<> check_families(const json::object& service, const Wanted& wanted,
                           const std::vector<ServiceRange>& ranges, bool any) {
  if (wanted.policy == kSingleStack && (wanted.families.size() > 1 || wanted.addresses.size() > 1)) {
    return std::unexpected(service_invalid(
        service, "spec.ipFamilyPolicy",
        "\"SingleStack\": may be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are "
        "specified"));
  }
  if (any) return {};
  if (wanted.policy == kRequireDualStack && ranges.size() < 2) {
    return std::unexpected(
        service_invalid(service, "spec.ipFamilyPolicy",
                        "\"RequireDualStack\": this cluster is not configured for dual-stack services"));
  }
  for (size_t i = 0; i < wanted.families.size(); ++i) {
    if (range_of(ranges, wanted.families[i])) continue;
    return std::unexpected(
        service_invalid(service, fmt::format("spec.ipFamilies[{}]", i),
                        fmt::format("{}: not configured on this cluster", quote(wanted.families[i]))));
  }
  return {};
}

ApiResult<> settle_families(const json::object& service, Wanted& wanted,
                            const std::vector<ServiceRange>& ranges) {
  const bool any = takes_any_family(service, wanted);
  for (size_t i = wanted.families.size(); i < wanted.addresses.size(); ++i) {
    if (wanted.addresses[i] != kNone) wanted.families.emplace_back(family_of(wanted.addresses[i]));
  }
  if (wanted.policy.empty()) {
    const bool several = wanted.families.size() > 1 || wanted.addresses.size() > 1;
    wanted.policy = several || any ? kRequireDualStack : kSingleStack;
  }
  TRY(check_families(service, wanted, ranges, any));
  if (wanted.families.empty()) wanted.families.emplace_back(ranges.front().family());
  const bool dual = wanted.policy != kSingleStack && (any || ranges.size() > 1);
  if (dual && wanted.families.size() < 2) wanted.families.emplace_back(other_family(wanted.families.front()));
  return {};
}

// A free one of [first, first + count): a random one, or the next free one behind it.
std::optional<net::IpAddress> pick(const ServiceRange& range, uint64_t first, uint64_t count,
                                   const ServiceAddresses& taken, Random& random) {
  if (count == 0) return std::nullopt;
  const uint64_t start = random.below(count);
  for (uint64_t i = 0; i < count; ++i) {
    const net::IpAddress candidate = range.at(first + (start + i) % count);
    if (!taken.contains(candidate)) return candidate;
  }
  return std::nullopt;
}

std::optional<net::IpAddress> pick(const ServiceRange& range, const ServiceAddresses& taken, Random& random) {
  const uint64_t size = range.size();
  const uint64_t band = std::min(std::clamp(size / 16, kStaticBandMin, kStaticBandMax), size);
  if (const auto upper = pick(range, 1 + band, size - band, taken, random)) return upper;
  return pick(range, 1, band, taken, random);
}

ApiResult<> check_address(const json::object& service, const Texts& all, size_t index,
                          const ServiceRange& range, const ServiceAddresses& taken) {
  const std::string& wanted = all[index];
  const auto address = net::IpAddress::parse(wanted);
  const auto refuse = [&](std::string_view why) {
    return std::unexpected(service_invalid(
        service, "spec.clusterIPs",
        fmt::format("[{}]: failed to allocate IP {}: {}", quote(join(all, " ")), wanted, why)));
  };
  if (address && address->is_v6() != range.is_v6()) {
    return std::unexpected(
        service_invalid(service, fmt::format("spec.clusterIPs[{}]", index),
                        fmt::format("{}: expected an {} value as indicated by `ipFamilies[{}]`",
                                    quote(wanted), range.family(), index)));
  }
  if (!address || !range.contains(*address)) {
    return refuse(fmt::format("the provided IP ({}) is not in the valid range. The range of valid IPs is {}",
                              wanted, range.to_string()));
  }
  if (taken.contains(*address)) return refuse("provided IP is already allocated");
  return {};
}

ApiResult<> fill_addresses(const json::object& service, const std::set<std::string>& held, Wanted& wanted,
                           const std::vector<ServiceRange>& ranges, const ServiceAddresses& taken,
                           Random& random) {
  for (size_t i = 0; i < wanted.families.size(); ++i) {
    const ServiceRange* range = range_of(ranges, wanted.families[i]);
    if (i < wanted.addresses.size()) {
      if (held.contains(wanted.addresses[i])) continue;
      TRY(check_address(service, wanted.addresses, i, *range, taken));
      continue;
    }
    const std::optional<net::IpAddress> address = pick(*range, taken, random);
    if (!address) return std::unexpected(internal_error("failed to allocate a serviceIP: range is full"));
    wanted.addresses.push_back(address->to_string());
  }
  return {};
}

}  // namespace

ApiStatus service_invalid(const json::object& service, std::string field, std::string message) {
  return invalid("", "Service", name_of(service),
                 {{"FieldValueInvalid", "Invalid value: " + std::move(message), std::move(field)}});
}

Result<ServiceRange> ServiceRange::parse(std::string_view cidr) {
  const auto prefix = net::Prefix::parse(cidr);
  const int host_bits = prefix ? prefix->address.bits() - prefix->length : 0;
  if (!prefix || !cidr.contains('/') || host_bits < 2 || prefix->length < 1)
    return fail(Code::kInvalid, "invalid service range {}", quote(cidr));
  return ServiceRange(prefix->masked());
}

bool ServiceRange::contains(const net::IpAddress& address) const {
  if (!prefix_.contains(address) || address == prefix_.address) return false;
  return is_v6() || address != prefix_.address.plus((uint64_t{1} << (32 - prefix_.length)) - 1);
}

uint64_t ServiceRange::size() const {
  const int host_bits = prefix_.address.bits() - prefix_.length;
  if (is_v6()) return host_bits > 20 ? kMaxServiceAddresses - 1 : (uint64_t{1} << host_bits) - 1;
  return (uint64_t{1} << host_bits) - 2;
}

Result<std::vector<ServiceRange>> parse_service_ranges(std::string_view cidrs) {
  std::vector<ServiceRange> ranges;
  for (const std::string_view cidr : split(cidrs, ','))
    ranges.push_back(TRY(ServiceRange::parse(trim(cidr))));
  if (ranges.size() > 2 || (ranges.size() == 2 && ranges[0].is_v6() == ranges[1].is_v6())) {
    return fail(Code::kInvalid, "service ranges {}: one range, or one of each family", quote(cidrs));
  }
  return ranges;
}

std::set<std::string> addresses_of_service(const json::object& service) {
  std::set<std::string> out;
  if (text_at(service, {"spec", "type"}) == "ExternalName") return out;
  out.emplace(text_at(service, {"spec", "clusterIP"}));
  for (std::string& address : texts_at(service, {"spec", "clusterIPs"})) out.insert(std::move(address));
  out.erase("");
  out.erase(std::string(kNone));
  return out;
}

ApiResult<> allocate_addresses(json::object& service, const json::object* old_service,
                               const std::vector<ServiceRange>& ranges, const ServiceAddresses& taken,
                               Random& random) {
  json::object& spec = make_object(service, {"spec"});
  if (text_at(service, {"spec", "type"}) == "ExternalName") {
    for (const char* name : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}) spec.erase(name);
    return {};
  }
  Wanted wanted = wanted_of(service);
  give_up_second(wanted, old_service);
  TRY(settle_families(service, wanted, ranges));
  if (!wanted.headless()) {
    const std::set<std::string> held =
        old_service ? addresses_of_service(*old_service) : std::set<std::string>();
    TRY(fill_addresses(service, held, wanted, ranges, taken, random));
  }
  spec["clusterIP"] = wanted.addresses.front();
  spec["clusterIPs"] = to_array(wanted.addresses);
  spec["ipFamilies"] = to_array(wanted.families);
  spec["ipFamilyPolicy"] = wanted.policy;
  return {};
}

}  // namespace cloudless::apiserver
