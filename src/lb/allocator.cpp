#include "lb/allocator.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace cloudless::lb {

namespace {

/// How far a pool is searched for a free address. Only a pool with more Services than this on it, or a range
/// of this many addresses that it avoids, is given up too early.
constexpr uint64_t kMaxSearch = 1 << 20;

enum class Families { kV4, kV6, kDual };

Families families_of(const std::vector<net::IpAddress>& addresses) {
  const bool v4 = std::ranges::any_of(addresses, &net::IpAddress::is_v4);
  const bool v6 = std::ranges::any_of(addresses, &net::IpAddress::is_v6);
  return v4 && v6 ? Families::kDual : v6 ? Families::kV6 : Families::kV4;
}

std::string_view to_string(Families families) {
  switch (families) {
    case Families::kV4:
      return "ipv4";
    case Families::kV6:
      return "ipv6";
    case Families::kDual:
      return "dual";
  }
  return "";
}

// As Go prints a list of addresses with %q.
std::string quoted(const std::vector<net::IpAddress>& ips) {
  std::vector<std::string> texts;
  for (const net::IpAddress& ip : ips) texts.push_back(quote(ip.to_string()));
  return "[" + join(texts, " ") + "]";
}

std::set<net::IpAddress> as_set(const std::vector<net::IpAddress>& ips) { return {ips.begin(), ips.end()}; }

class Allocator {
 public:
  Allocator(const std::vector<AddressPool>& pools, const std::map<std::string, schema::Labels>& namespaces)
      : pools_(pools), namespaces_(namespaces) {}

  // What the Service has is what it keeps, or why it may not.
  Result<> keep(const AddressRequest& request, Allocation& allocation) {
    TRY(check_current(request));
    const AddressPool* pool = TRY(assign(request, request.current_ips));
    allocation.ips = request.current_ips;
    allocation.pool = pool->name;
    return {};
  }

  Result<> allocate(const AddressRequest& request, Allocation& allocation) {
    if (pools_.empty()) return fail(Code::kResourceExhausted, "no IP pools configured");
    const Families wanted = families_of(request.cluster_ips);
    if (!request.desired_ips.empty()) return allocate_desired(request, wanted, allocation);
    if (!request.desired_pool.empty()) {
      const AddressPool* pool = find_pool(request.desired_pool);
      if (!pool) return fail(Code::kNotFound, "unknown pool {}", quote(request.desired_pool));
      if (!is_for(*pool, request))
        return fail(Code::kInvalid, "pool {} not compatible for ip assignment", pool->name);
      if (take_from(*pool, request, wanted, allocation)) return {};
      return fail(Code::kResourceExhausted, "no available IPs in pool {} for {} IPFamily", quote(pool->name),
                  to_string(wanted));
    }
    for (const AddressPool* pool : in_order(request)) {
      if (take_from(*pool, request, wanted, allocation)) return {};
    }
    return fail(Code::kResourceExhausted, "no available IPs");
  }

 private:
  struct Holder {
    std::string key;
    std::string sharing_key;
    std::string backend_key;
    std::set<std::string> ports;
  };

  const AddressPool* find_pool(const std::string& name) const {
    const auto found = std::ranges::find(pools_, name, &AddressPool::name);
    return found == pools_.end() ? nullptr : &*found;
  }

  bool is_for(const AddressPool& pool, const AddressRequest& request) const {
    if (!pool.pinned) return true;
    const auto selected = [](const auto& selectors, const schema::Labels& labels) {
      return std::ranges::any_of(selectors, [&](const auto& selector) { return selector.matches(labels); });
    };
    const auto labels = namespaces_.find(request.ns);
    const bool by_namespace =
        pool.namespaces.contains(request.ns) ||
        selected(pool.namespace_selectors, labels == namespaces_.end() ? schema::Labels() : labels->second);
    const bool any_namespace = pool.namespaces.empty() && pool.namespace_selectors.empty();
    const bool by_service =
        pool.service_selectors.empty() || selected(pool.service_selectors, request.labels);
    return (any_namespace || by_namespace) && by_service;
  }

  // Pools pinned to the Service by priority, lower numbers first and 0 last; then those for everybody.
  std::vector<const AddressPool*> in_order(const AddressRequest& request) const {
    std::vector<const AddressPool*> pinned, open;
    for (const AddressPool& pool : pools_) {
      if (!pool.auto_assign) continue;
      if (!pool.pinned) {
        open.push_back(&pool);
      } else if (is_for(pool, request)) {
        pinned.push_back(&pool);
      }
    }
    std::ranges::sort(pinned, {}, [](const AddressPool* pool) {
      return std::tuple(pool->priority == 0, pool->priority, pool->name);
    });
    pinned.insert(pinned.end(), open.begin(), open.end());
    return pinned;
  }

  Result<> check_current(const AddressRequest& request) const {
    const Families have = families_of(request.current_ips);
    const Families want = families_of(request.cluster_ips);
    const bool partial_allowed =
        want == Families::kDual && request.family_policy == FamilyPolicy::kPreferDualStack;
    if (have != want && !partial_allowed) return fail(Code::kInvalid, "the IP family has changed");
    if (!request.desired_ips.empty() && as_set(request.desired_ips) != as_set(request.current_ips))
      return fail(Code::kInvalid, "{} requested", quoted(request.desired_ips));
    return {};
  }

  Result<> allocate_desired(const AddressRequest& request, Families wanted, Allocation& allocation) {
    if (families_of(request.desired_ips) != wanted)
      return fail(Code::kInvalid,
                  "requested loadBalancer IP(s) {} does not match the ipFamily of the service",
                  quoted(request.desired_ips));
    const AddressPool* pool = TRY(assign(request, request.desired_ips));
    allocation.ips = request.desired_ips;
    allocation.pool = pool->name;
    return {};
  }

  // The pool of the addresses, which become the Service's; all of them or none.
  Result<const AddressPool*> assign(const AddressRequest& request, const std::vector<net::IpAddress>& ips) {
    const auto owns_all = [&](const AddressPool& pool) {
      return is_for(pool, request) &&
             std::ranges::all_of(ips, [&](const net::IpAddress& ip) { return pool.contains(ip); });
    };
    const auto pool = std::ranges::find_if(pools_, owns_all);
    if (pool == pools_.end()) return fail(Code::kInvalid, "{} is not allowed in config", quoted(ips));
    if (!request.desired_pool.empty() && request.desired_pool != pool->name)
      return fail(Code::kInvalid,
                  "requested loadBalancer IP(s) {} is not compatible with requested address pool {}",
                  quoted(ips), request.desired_pool);
    for (const net::IpAddress& ip : ips) TRY(check_sharing(request, ip));
    for (const net::IpAddress& ip : ips) hold(request, ip);
    return &*pool;
  }

  static bool has_same_keys(const Holder& holder, const AddressRequest& request) {
    return !request.sharing_key.empty() && holder.sharing_key == request.sharing_key &&
           holder.backend_key == request.backend_key;
  }
  // A port that both want, or null.
  static const std::string* common_port(const Holder& holder, const AddressRequest& request) {
    const auto port = std::ranges::find_if(
        request.ports, [&](const std::string& wanted) { return holder.ports.contains(wanted); });
    return port == request.ports.end() ? nullptr : &*port;
  }

  // Asked of every address of a pool: it costs no words.
  bool may_have(const AddressRequest& request, const net::IpAddress& ip) const {
    const auto holders = holders_.find(ip);
    return holders == holders_.end() || std::ranges::all_of(holders->second, [&](const Holder& holder) {
             return has_same_keys(holder, request) && !common_port(holder, request);
           });
  }

  // The same, and why not.
  Result<> check_sharing(const AddressRequest& request, const net::IpAddress& ip) const {
    if (may_have(request, ip)) return {};
    std::vector<std::string> others;
    bool compatible = true;
    for (const Holder& holder : holders_.at(ip)) {
      others.push_back(holder.key);
      compatible = compatible && has_same_keys(holder, request);
    }
    if (!compatible)
      return fail(Code::kConflict, "can't change sharing key for {}, address also in use by {}",
                  quote(request.key), join(others, ","));
    for (const Holder& holder : holders_.at(ip)) {
      if (const std::string* port = common_port(holder, request))
        return fail(Code::kConflict, "port {} is already in use on {}", *port, quote(ip.to_string()));
    }
    return {};
  }

  void hold(const AddressRequest& request, const net::IpAddress& ip) {
    holders_[ip].push_back({request.key, request.sharing_key, request.backend_key, request.ports});
  }

  std::optional<net::IpAddress> find_free(const AddressPool& pool, const AddressRequest& request,
                                          bool v4) const {
    uint64_t searched = 0;
    for (const AddressRange& range : pool.ranges) {
      if (range.first.is_v4() != v4) continue;
      for (net::IpAddress ip = range.first; searched < kMaxSearch; ip = ip.plus(1), ++searched) {
        if (pool.contains(ip) && may_have(request, ip)) return ip;
        if (ip == range.last) break;
      }
    }
    return std::nullopt;
  }

  bool take_from(const AddressPool& pool, const AddressRequest& request, Families wanted,
                 Allocation& allocation) {
    std::vector<net::IpAddress> ips;
    for (const bool v4 : {true, false}) {
      if (wanted == (v4 ? Families::kV6 : Families::kV4)) continue;
      if (const auto ip = find_free(pool, request, v4)) {
        ips.push_back(*ip);
      } else if (request.family_policy != FamilyPolicy::kPreferDualStack) {
        return false;
      }
    }
    if (ips.empty()) return false;
    for (const net::IpAddress& ip : ips) hold(request, ip);
    allocation.ips = std::move(ips);
    allocation.pool = pool.name;
    return true;
  }

  const std::vector<AddressPool>& pools_;
  const std::map<std::string, schema::Labels>& namespaces_;
  std::map<net::IpAddress, std::vector<Holder>> holders_;
};

}  // namespace

std::map<std::string, Allocation> plan_allocation(
    const std::vector<AddressRequest>& requests, const std::vector<AddressPool>& pools,
    const std::map<std::string, schema::Labels>& namespace_labels) {
  std::vector<const AddressRequest*> by_age;
  for (const AddressRequest& request : requests) by_age.push_back(&request);
  std::ranges::sort(by_age, {}, [](const AddressRequest* r) { return std::pair(r->created, r->key); });
  std::vector<AddressPool> by_name = pools;
  std::ranges::sort(by_name, {}, &AddressPool::name);

  Allocator allocator(by_name, namespace_labels);
  std::map<std::string, Allocation> allocations;
  std::vector<const AddressRequest*> waiting;
  for (const AddressRequest* request : by_age) {
    Allocation& allocation = allocations[request->key];
    if (!request->malformed.empty()) {
      allocation.failure = request->malformed;
      continue;
    }
    if (!request->current_ips.empty()) {
      const auto kept = allocator.keep(*request, allocation);
      if (kept) continue;
      allocation.cleared = kept.error().message;
    }
    waiting.push_back(request);
  }
  for (const AddressRequest* request : waiting) {
    Allocation& allocation = allocations[request->key];
    const auto allocated = allocator.allocate(*request, allocation);
    if (!allocated) allocation.failure = allocated.error().message;
  }
  return allocations;
}

}  // namespace cloudless::lb
