#include "store/open.hpp"

#include <algorithm>

#include "store/local_store.hpp"
#include "store/memory_log.hpp"
#include "store/pg_log.hpp"
#include "store/sqlite_log.hpp"

namespace cloudless::store {
namespace {

constexpr std::string_view kDefaultSqlitePath = "./db/state.db";

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> prefixes) {
  return std::ranges::any_of(prefixes, [&](std::string_view prefix) { return text.starts_with(prefix); });
}

Result<std::unique_ptr<Log>> open_log(const Endpoint& endpoint, Random& random, const Logger& logger) {
  switch (endpoint.kind) {
    case EndpointKind::kMemory:
      return std::make_unique<MemoryLog>();
    case EndpointKind::kSqlite: {
      const std::unique_ptr<Files> files = make_system_files();
      return TRY(SqliteLog::open({.path = endpoint.target}, *files, random, logger));
    }
    case EndpointKind::kPostgres:
      return TRY(PgLog::open(endpoint.target, random, logger));
    case EndpointKind::kEtcd:
      break;
  }
  return fail(Code::kInvalid, "a remote etcd is not a log");
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view url) {
  if (url.empty()) return Endpoint{EndpointKind::kSqlite, std::string(kDefaultSqlitePath)};
  if (url.starts_with("memory://")) return Endpoint{EndpointKind::kMemory, std::string(url)};
  if (starts_with_any(url, {"postgres://", "postgresql://"})) {
    return Endpoint{EndpointKind::kPostgres, std::string(url)};
  }
  if (starts_with_any(url, {"http://", "https://"})) return Endpoint{EndpointKind::kEtcd, std::string(url)};
  if (url.starts_with("sqlite://")) {
    std::string_view path = url.substr(std::string_view("sqlite://").size());
    // kine's parameters (_journal, cache, ...) tune its own driver; here they have no meaning.
    path = path.substr(0, path.find('?'));
    if (path.contains('\0')) return fail(Code::kInvalid, "the endpoint's path holds a zero byte");
    return Endpoint{EndpointKind::kSqlite, std::string(path.empty() ? kDefaultSqlitePath : path)};
  }
  // The URL may hold a password, so the error shows its scheme alone.
  return fail(Code::kInvalid,
              "unknown endpoint \"{}\": use sqlite://PATH, postgres://..., http(s)://HOST:2379 or memory://",
              url.substr(0, url.find(':')));
}

Result<std::unique_ptr<Store>> open_store(Options options, const Clock& clock, Random& random,
                                          Logger logger) {
  const Endpoint endpoint = TRY(parse_endpoint(options.endpoint));
  if (endpoint.kind == EndpointKind::kEtcd) {
    if (options.remote) return options.remote(endpoint);
    return fail(Code::kUnimplemented, "this program was built without a client for a remote etcd");
  }
  std::unique_ptr<Log> log = TRY(open_log(endpoint, random, logger));
  return TRY(LocalStore::open(std::move(log), std::move(options), clock, random, std::move(logger)));
}

}  // namespace cloudless::store
