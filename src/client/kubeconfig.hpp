// Kubeconfig: which server, and who we are to it, from a kubeconfig file (k8s.io/client-go/tools/clientcmd)
// or from the files that a pod finds in /var/run/secrets/kubernetes.io/serviceaccount.
//
// Understood: clusters (server, certificate-authority[-data], tls-server-name, insecure-skip-tls-verify),
// users (client-certificate[-data], client-key[-data], token, tokenFile), contexts, current-context. A user
// with exec, auth-provider or a password is refused by name.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"

namespace cloudless::client {

/// One context, resolved. Certificates and keys are PEM text.
struct ConnectionConfig {
  std::string server;  // "https://192.0.2.1:6443"
  std::string ca;      // empty: the system's
  std::string server_name;
  bool insecure = false;
  std::string client_certificate;
  std::string client_key;
  std::string token;
  std::string token_file;  // read anew when it changes
  std::string ns = "default";
};

/// `text`: YAML or JSON. Relative paths in it are meant from `directory`. `context` empty: the current one.
Result<ConnectionConfig> parse_kubeconfig(const std::string& text, const std::string& directory,
                                          const std::string& context = {});
Result<ConnectionConfig> load_kubeconfig(const std::string& path, const std::string& context = {});

}  // namespace cloudless::client
