// Who asks the kubelet's API, and whether they may (pkg/kubelet/server/auth.go).
//
//   client certificate (verified by the TLS layer) --+
//   bearer token --- TokenReview (kTokenTtl) --------+--> SubjectAccessReview per attribute --> handler
//   neither: 401                                             allowed kAllowedTtl, refused kRefusedTtl
//
// A request is an access to nodes/<this node>/<subresource>: the subresource of its path, and where that is
// refused nodes/proxy, which stands for all. The API server decides; its answers are kept, so that what was
// allowed works on for a while without it. Roles of this process are let in as who they are.
//
// Belongs to one executor.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/authentication_v1.hpp"
#include "api/authorization_v1.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "net/http.hpp"
#include "runtime/task.hpp"

namespace cloudless::client {
class Client;
}

namespace cloudless::kubelet {

using Caller = api::authentication::v1::UserInfo;

/// What a request asks for, as permissions are given: a verb on one of these subresources of the node.
struct NodeAccess {
  std::string verb;
  std::vector<std::string> subresources;  // one of them suffices; asked for in this order
  friend bool operator==(const NodeAccess&, const NodeAccess&) = default;
};
NodeAccess access_of(std::string_view method, std::string_view path);

/// The user of a client certificate: its common name, in the groups that are its organizations, and
/// system:authenticated. Nothing where the certificate cannot be read.
std::optional<Caller> caller_of_certificate(const std::string& der);

/// Answers of the API server by what was asked, each for its time. Holds kMaxEntries at the most: beyond that
/// what ends first makes room. Pure.
template <class T>
class AnswerCache {
 public:
  static constexpr size_t kMaxEntries = 4096;

  std::optional<T> find(const std::string& key, SteadyTime now) const {
    const auto found = entries_.find(key);
    if (found == entries_.end() || found->second.expires <= now) return std::nullopt;
    return found->second.value;
  }
  void add(const std::string& key, T value, SteadyTime expires) {
    if (entries_.size() >= kMaxEntries && !entries_.contains(key))
      entries_.erase(
          std::ranges::min_element(entries_, {}, [](const auto& entry) { return entry.second.expires; }));
    entries_.insert_or_assign(key, Entry{std::move(value), expires});
  }
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    T value;
    SteadyTime expires;
  };
  std::map<std::string, Entry> entries_;
};

/// An answer in place of the one that was asked for.
struct Refusal {
  int status = 0;
  std::string message;
};

class AccessGuard {
 public:
  static constexpr std::chrono::minutes kTokenTtl{2};
  static constexpr std::chrono::minutes kAllowedTtl{5};
  static constexpr std::chrono::seconds kRefusedTtl{30};
  static constexpr std::chrono::seconds kReviewLimit{10};

  /// `client` may be null: then only this process gets in.
  AccessGuard(client::Client* client, std::string node_name, const Clock& clock, Logger log);

  /// Nothing where the request may go on. Takes up to kReviewLimit per review.
  runtime::Task<std::optional<Refusal>> check(const net::Request& request);

 private:
  runtime::Task<Result<std::optional<Caller>>> authenticate(const net::Request& request);
  runtime::Task<Result<std::optional<Caller>>> review_token(std::string token);
  runtime::Task<Result<bool>> authorize(const Caller& caller, std::string verb, std::string subresource);

  client::Client* const client_;
  const std::string node_name_;
  const Clock& clock_;
  Logger log_;
  AnswerCache<std::optional<Caller>> tokens_;  // by the token's digest
  AnswerCache<bool> decisions_;                // by the review's JSON
};

}  // namespace cloudless::kubelet
