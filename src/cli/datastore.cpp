#include "cli/datastore.hpp"

#include <CLI/CLI.hpp>

#include "etcd/remote_store.hpp"
#include "net/http.hpp"

namespace cloudless::cli {

namespace {

void add_parameter(std::string& url, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  url += url.contains('?') ? '&' : '?';
  url += fmt::format("{}={}", name, net::percent_encode(value));
}

}  // namespace

void add_datastore_flags(CLI::App& command, DatastoreOptions& options) {
  command.add_option("--endpoint", options.endpoint,
                     "Storage endpoint: sqlite://PATH (the default, ./db/state.db), postgres://..., "
                     "http(s)://HOST:2379[,...] or memory://");
  command.add_option("--ca-file", options.ca_file, "CA certificate for the datastore's connection");
  command.add_option("--cert-file", options.cert_file, "Certificate for the datastore's connection");
  command.add_option("--key-file", options.key_file, "Key file for the datastore's connection");
  command.add_flag("--skip-verify", options.skip_verify, "Do not verify the datastore's certificate");
  command
      .add_option(
          "--durability", options.durability,
          "relaxed: node leases and events are acknowledged before they are on disk; strict: nothing is")
      ->check(CLI::IsMember({"relaxed", "strict"}))
      ->capture_default_str();
  command
      .add_option("--relaxed-prefix", options.relaxed_prefixes,
                  "Key prefixes whose writes are acknowledged before they are on disk")
      ->capture_default_str();
  command
      .add_option("--quota-backend-bytes", options.quota_bytes,
                  "Size at which the NOSPACE alarm is raised and writes fail")
      ->capture_default_str();
}

std::string endpoint_with_tls(const DatastoreOptions& options) {
  std::string url = options.endpoint;
  if (!url.starts_with("postgres")) return url;
  if (!url.contains("sslmode=") && !options.ca_file.empty()) {
    add_parameter(url, "sslmode", options.skip_verify ? "require" : "verify-full");
  }
  add_parameter(url, "sslrootcert", options.skip_verify ? "" : options.ca_file);
  add_parameter(url, "sslcert", options.cert_file);
  add_parameter(url, "sslkey", options.key_file);
  return url;
}

bool is_shared_datastore(const std::string& endpoint) {
  return !endpoint.empty() && !endpoint.starts_with("sqlite") && !endpoint.starts_with("memory");
}

Result<std::unique_ptr<store::Store>> open_datastore(const DatastoreOptions& options, const Clock& clock,
                                                     Random& random, const Logger& log) {
  store::Options wanted;
  wanted.endpoint = endpoint_with_tls(options);
  wanted.relaxed_prefixes = options.relaxed_prefixes;
  wanted.all_strict = options.durability == "strict";
  wanted.quota_bytes = options.quota_bytes;
  wanted.remote = [&options](const store::Endpoint& endpoint) -> Result<std::unique_ptr<store::Store>> {
    if (options.skip_verify) {
      return fail(Code::kUnimplemented, "--skip-verify is not for a remote etcd: name its CA with --ca-file");
    }
    return etcd::make_remote_store({.endpoints = TRY(etcd::parse_endpoints(endpoint.target)),
                                    .ca_file = options.ca_file,
                                    .cert_file = options.cert_file,
                                    .key_file = options.key_file});
  };
  return store::open_store(std::move(wanted), clock, random, log.named("store"));
}

}  // namespace cloudless::cli
