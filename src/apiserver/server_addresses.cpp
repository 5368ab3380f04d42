#include "apiserver/server_addresses.hpp"

#include "apiserver/ensured_object.hpp"
#include "runtime/timer.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

json::array one_port(int64_t port) {
  return {json::object{{"name", "https"}, {"port", port}, {"protocol", "TCP"}}};
}

json::object subset_of(const std::vector<std::string>& addresses) {
  json::array list;
  for (const std::string& address : addresses) list.push_back(json::object{{"ip", address}});
  return {{"addresses", std::move(list)}};
}

// What upstream's servers keep under their lease, and read of others.
std::string lease_value(const std::string& address) {
  return json::serialize(json::object{{"kind", "Endpoints"},
                                      {"apiVersion", "v1"},
                                      {"metadata", json::object()},
                                      {"subsets", json::array{subset_of({address})}}});
}

}  // namespace

json::object kubernetes_endpoints(const std::vector<std::string>& addresses, int64_t port) {
  json::object subset = subset_of(addresses);
  subset["ports"] = one_port(port);
  return {{"kind", "Endpoints"},
          {"apiVersion", "v1"},
          {"metadata",
           {{"name", "kubernetes"},
            {"namespace", "default"},
            {"labels", {{"endpointslice.kubernetes.io/skip-mirror", "true"}}}}},
          {"subsets", json::array{std::move(subset)}}};
}

json::object kubernetes_slice(const std::vector<std::string>& addresses, int64_t port) {
  json::array endpoints;
  for (const std::string& address : addresses)
    endpoints.push_back(
        json::object{{"addresses", json::array{json::string(address)}}, {"conditions", {{"ready", true}}}});
  return {{"kind", "EndpointSlice"},
          {"apiVersion", "discovery.k8s.io/v1"},
          {"metadata",
           {{"name", "kubernetes"},
            {"namespace", "default"},
            {"labels", {{"kubernetes.io/service-name", "kubernetes"}}}}},
          {"addressType", addresses.front().contains(':') ? "IPv6" : "IPv4"},
          {"endpoints", std::move(endpoints)},
          {"ports", one_port(port)}};
}

ServerAddresses::ServerAddresses(const ServerOptions& options, Objects& objects, store::Store& store,
                                 runtime::Executor& executor, Logger log)
    : options_(options), objects_(objects), store_(store), log_(std::move(log)), scope_(executor, log_) {}

Task<Result<>> ServerAddresses::start() {
  if (options_.advertise_address.empty()) co_return {};
  CO_TRY(co_await reconcile());
  if (shares()) scope_.spawn(run());
  co_return {};
}

Task<void> ServerAddresses::stop() {
  scope_.cancel();
  co_await scope_.join();
  if (lease_ == 0) co_return;
  static_cast<void>(co_await store_.revoke_lease(std::exchange(lease_, 0)));
  const auto others = co_await living();
  if (others && !others->empty()) static_cast<void>(co_await write(*others));
}

Task<void> ServerAddresses::run() {
  for (std::string said;;) {
    if (!co_await runtime::sleep_for(kInterval)) co_return;
    const Result<> done = co_await reconcile();
    if (!done && done.error().message != std::exchange(said, done.error().message))
      log_.warn("the addresses of the API servers cannot be kept", {{"error", done.error()}});
    if (done) said.clear();
  }
}

Task<Result<>> ServerAddresses::reconcile() {
  if (!shares()) co_return co_await write({options_.advertise_address});
  CO_TRY(co_await renew());
  std::vector<std::string> addresses = CO_TRY(co_await living());
  // A lease may end between the two; whoever asks this server finds it.
  if (addresses.empty()) addresses = {options_.advertise_address};
  co_return co_await write(std::move(addresses));
}

Task<Result<>> ServerAddresses::renew() {
  if (lease_ != 0) {
    const auto kept = co_await store_.keep_lease_alive(lease_);
    if (kept || kept.error().code != Code::kNotFound)
      co_return kept ? Result<>() : std::unexpected(kept.error());
  }
  lease_ = CO_TRY(co_await store_.grant_lease(0, kLeaseTtl)).id;
  CO_TRY(co_await store_.put({.key = prefix() + options_.advertise_address,
                              .value = share(lease_value(options_.advertise_address)),
                              .lease = lease_}));
  co_return {};
}

Task<Result<std::vector<std::string>>> ServerAddresses::living() const {
  const std::string from = prefix();
  const auto found = CO_TRY(
      co_await store_.range({.key = from, .range_end = store::prefix_range_end(from), .keys_only = true}));
  std::vector<std::string> addresses;
  for (const auto& pair : found.kvs) addresses.push_back(pair.key.substr(from.size()));
  co_return addresses;
}

Task<Result<>> ServerAddresses::write(std::vector<std::string> addresses) {
  auto done = co_await ensure_equal(objects_, {"", "endpoints"},
                                    kubernetes_endpoints(addresses, options_.advertise_port), {"subsets"});
  if (done)
    done =
        co_await ensure_equal(objects_, {"discovery.k8s.io", "endpointslices"},
                              kubernetes_slice(addresses, options_.advertise_port), {"endpoints", "ports"});
  if (!done)
    co_return fail(Code::kInternal, "write the kubernetes Service's endpoints: {}", done.error().message);
  co_return {};
}

std::string ServerAddresses::prefix() const { return options_.storage_root + "/masterleases/"; }

}  // namespace cloudless::apiserver
