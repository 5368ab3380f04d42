// `cloudless token create|delete|generate|list`: bootstrap tokens, with kubeadm's flags and output.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>

#include "base/strings.hpp"
#include "bootstrap/token.hpp"
#include "cli/command.hpp"
#include "cli/shared_certificates.hpp"
#include "cli/short_work.hpp"
#include "client/connection.hpp"
#include "pki/certificate.hpp"

namespace cloudless::cli {

using bootstrap::BootstrapTokenId;
using bootstrap::BootstrapTokenSpec;
using client::Client;
using runtime::Task;

namespace {

struct TokenOptions {
  std::string kubeconfig;
  std::string token;
  std::string ttl = "24h";
  std::string description;
  std::vector<std::string> usages{"signing", "authentication"};
  std::vector<std::string> groups{std::string(bootstrap::kDefaultNodeTokenGroup)};
  bool print_join_command = false;
  std::string certificate_key;
  std::vector<std::string> doomed;
};

// What an action may use.
struct Session {
  const Client& client;
  const client::ConnectionConfig& config;
  Random& random;
  WallTime now;
};
using Action = Task<Result<>> (*)(Session session, const TokenOptions& options);

Result<BootstrapTokenSpec> spec_of(const TokenOptions& options, Random& random, WallTime now) {
  BootstrapTokenSpec spec;
  if (options.token.empty()) {
    spec.token = BootstrapTokenId::generate(random);
  } else {
    const auto token = BootstrapTokenId::parse(options.token);
    if (!token)
      return fail(Code::kInvalid,
                  R"(the bootstrap token "{}" was not of the form "\A([a-z0-9]{{6}})\.([a-z0-9]{{16}})\z")",
                  options.token);
    spec.token = *token;
  }
  const Duration ttl = TRY(parse_duration(options.ttl));
  if (ttl > Duration(0)) spec.expires = now + ttl;
  spec.description = options.description;
  spec.usages = options.usages;
  spec.groups = options.groups;
  return spec;
}

Result<std::string> join_command(const client::ConnectionConfig& config, const BootstrapTokenId& token,
                                 const std::string& certificate_key) {
  std::string_view server = config.server;
  if (server.starts_with("https://")) server.remove_prefix(std::string_view("https://").size());
  const auto ca = TRY(pki::Certificate::from_pem(config.ca));
  std::string line = fmt::format("cloudless join {} --token {} --discovery-token-ca-cert-hash {} ", server,
                                 token.text(), ca.public_key_pin());
  if (!certificate_key.empty()) line += "--control-plane --certificate-key " + certificate_key;
  return line;
}

Task<Result<>> create(Session session, const TokenOptions& options) {
  if (!options.certificate_key.empty()) CO_TRY(check_certificate_key(options.certificate_key));
  const BootstrapTokenSpec spec = CO_TRY(spec_of(options, session.random, session.now));
  const std::string answer = options.print_join_command
                                 ? CO_TRY(join_command(session.config, spec.token, options.certificate_key))
                                 : spec.token.text();
  CO_TRY(co_await bootstrap::create_token(session.client, spec));
  fmt::print("{}\n", answer);
  co_return {};
}

Task<Result<>> list(Session session, const TokenOptions&) {
  const auto tokens = CO_TRY(co_await bootstrap::list_tokens(session.client));
  // As kubeadm: silence where there is none.
  if (!tokens.empty()) fmt::print("{}", bootstrap::token_table(tokens, session.now));
  co_return {};
}

Task<Result<>> remove(Session session, const TokenOptions& options) {
  for (const std::string& token : options.doomed) {
    CO_TRY(co_await bootstrap::delete_token(session.client, token));
    // Never the secret part.
    fmt::print("bootstrap token \"{}\" deleted\n", token.substr(0, token.find('.')));
  }
  co_return {};
}

std::string kubeconfig_path(const TokenOptions& options) {
  if (!options.kubeconfig.empty()) return options.kubeconfig;
  const char* named = std::getenv("KUBECONFIG");
  if (named && *named) return named;
  constexpr const char* kOfInit = "/etc/kubernetes/admin.conf";
  return access(kOfInit, F_OK) == 0 ? kOfInit : "/var/lib/cloudless/admin.conf";
}

Task<Result<>> run_with_client(const TokenOptions& options, Action action, const ShortWork& work) {
  const auto config = CO_TRY(client::load_kubeconfig(kubeconfig_path(options)));
  const auto connection =
      CO_TRY(client::Connection::make(CO_TRY(client::connection_options(config)), work.resolver, work.log));
  const Client client(*connection);
  Result<> outcome = co_await action(Session{client, config, work.random, work.clock.wall_now()}, options);
  co_await connection->stop();
  co_return outcome;
}

int run_action(const TokenOptions& options, Action action) {
  const Logger log = LogOptions{.level = "warn", .format = "text"}.make_logger();
  const Result<> outcome =
      run_short_work(log, [&](const ShortWork& work) { return run_with_client(options, action, work); });
  return outcome ? kSuccess : report_failure(outcome.error());
}

int generate() {
  SystemRandom random;
  fmt::print("{}\n", BootstrapTokenId::generate(random).text());
  return kSuccess;
}

}  // namespace

void add_token_commands(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<TokenOptions>();
  CLI::App* token = app.add_subcommand("token", "Bootstrap tokens, by which nodes join");
  token->require_subcommand(1);
  token->add_option("--kubeconfig", options->kubeconfig,
                    "Whom to ask (default: $KUBECONFIG, else /etc/kubernetes/admin.conf, else "
                    "/var/lib/cloudless/admin.conf)");
  const auto add = [&](CLI::App* command, Action action) {
    command->fallthrough();
    command->callback([options, action, &invocation] {
      invocation.run = [options, action] { return run_action(*options, action); };
    });
  };
  CLI::App* creation = token->add_subcommand("create", "Make a token");
  creation->add_option("token", options->token, "The token, ID.SECRET (default: a random one)");
  creation->add_option("--ttl", options->ttl, "How long it is valid; 0: for ever")->capture_default_str();
  creation->add_option("--description", options->description, "What it is for");
  creation->add_option("--usages", options->usages, "signing, authentication")->delimiter(',');
  creation->add_option("--groups", options->groups, "Groups that it authenticates as")->delimiter(',');
  creation->add_flag("--print-join-command", options->print_join_command,
                     "Print the whole command for a node to join by");
  creation->add_option(
      "--certificate-key", options->certificate_key,
      "With --print-join-command: for a control-plane node, with this key of the uploaded certificates");
  add(creation, create);
  add(token->add_subcommand("list", "List the tokens"), list);
  CLI::App* deletion = token->add_subcommand("delete", "Delete tokens");
  deletion->add_option("token", options->doomed, "IDs or whole tokens")->required();
  add(deletion, remove);
  token->add_subcommand("generate", "Print a random token without making it")->callback([&invocation] {
    invocation.run = generate;
  });
}

}  // namespace cloudless::cli
