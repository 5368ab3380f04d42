#include "cli/upload_certificates.hpp"

#include <CLI/CLI.hpp>

#include "base/files.hpp"
#include "cli/control_plane_files.hpp"
#include "cli/kubelet_flags.hpp"
#include "cli/shared_certificates.hpp"
#include "cli/short_work.hpp"
#include "client/connection.hpp"

namespace cloudless::cli {

using runtime::Task;

namespace {

struct UploadFlags {
  std::string data_dir = NodeLayout().data_dir;
  std::string kubeconfig;
  bool upload_certs = false;
  std::string certificate_key;
  bool skip_key_print = false;
};

// The node's folders, as init or join has left them.
Result<NodeLayout> layout_of(const std::string& data_dir) {
  const std::string path = NodeLayout{.data_dir = data_dir}.kubelet_flags();
  const auto text = read_file(path);
  if (!text) return wrap(text.error(), "this machine is no control-plane node of {}", data_dir);
  return TRY(parse_kubelet_flags(decode_flags_file(*text))).layout;
}

Task<Result<>> upload(SharedValues sealed, std::string kubeconfig, const ShortWork& work) {
  const auto config = CO_TRY(client::load_kubeconfig(kubeconfig));
  const auto connection =
      CO_TRY(client::Connection::make(CO_TRY(client::connection_options(config)), work.resolver, work.log));
  const client::Client client(*connection);
  Result<> done =
      co_await upload_shared_values(client, std::move(sealed), work.random, work.clock.wall_now());
  co_await connection->stop();
  co_return done;
}

Result<> run(UploadFlags flags) {
  if (!flags.upload_certs) return fail(Code::kInvalid, "skipping upload certs: --upload-certs is not set");
  const NodeLayout layout = TRY(layout_of(flags.data_dir));
  const auto configuration =
      TRY(decode_configuration(TRY(read_file(layout.control_plane())), layout.control_plane()));
  SystemRandom random;
  if (flags.certificate_key.empty()) flags.certificate_key = make_certificate_key(random);
  auto sealed =
      TRY(seal_values(TRY(read_shared_values(layout, configuration.cluster)), flags.certificate_key));
  const std::string kubeconfig =
      flags.kubeconfig.empty() ? layout.kubernetes_dir + "/admin.conf" : flags.kubeconfig;
  const Logger log = LogOptions{.level = "warn", .format = "text"}.make_logger();
  TRY(run_short_work(log,
                     [&](const ShortWork& work) { return upload(std::move(sealed), kubeconfig, work); }));
  fmt::print(
      "[upload-certs] The certificates are in the Secret \"{}\" of the namespace \"kube-system\" for two "
      "hours\n",
      kCertificatesSecret);
  if (!flags.skip_key_print) fmt::print("[upload-certs] Using certificate key:\n{}\n", flags.certificate_key);
  return {};
}

}  // namespace

void add_upload_certificates_phase(CLI::App& init, Invocation& invocation) {
  auto flags = std::make_shared<UploadFlags>();
  CLI::App* phase = init.add_subcommand("phase", "One part of init by itself");
  phase->require_subcommand(1);
  CLI::App* command =
      phase->add_subcommand("upload-certs", "Upload the certificates that control-plane nodes share");
  command->add_flag("--upload-certs", flags->upload_certs, "Do it: what is uploaded opens the whole cluster");
  command->add_option("--certificate-key", flags->certificate_key,
                      "The key to encrypt them with (default: a random one)");
  command->add_flag("--skip-certificate-key-print", flags->skip_key_print, "Do not print the key");
  command->add_option("--kubeconfig", flags->kubeconfig,
                      "Whom to ask (default: admin.conf of this control-plane node)");
  command->add_option("--data-dir", flags->data_dir, "Where the node keeps its state")->capture_default_str();
  command->callback([flags, &invocation] {
    invocation.run = [flags] {
      const Result<> done = run(*flags);
      return done ? kSuccess : report_failure(done.error());
    };
  });
}

}  // namespace cloudless::cli
