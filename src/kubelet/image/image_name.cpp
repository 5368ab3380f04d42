#include "kubelet/image/image_name.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>

#include "base/encoding.hpp"
#include "base/strings.hpp"

namespace cloudless::kubelet {

namespace json = boost::json;

namespace {

bool is_component(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text,
                             [](unsigned char c) {
                               return std::islower(c) || std::isdigit(c) || c == '.' || c == '_' || c == '-';
                             }) &&
         std::isalnum(static_cast<unsigned char>(text.front())) &&
         std::isalnum(static_cast<unsigned char>(text.back()));
}

bool is_tag(std::string_view text) {
  return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '_' || c == '-';
  });
}

// "https://index.docker.io/v1/" and "docker.io" name the same registry.
std::string host_of(std::string_view server) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (server.starts_with(scheme)) server.remove_prefix(scheme.size());
  }
  std::string host(server.substr(0, server.find('/')));
  return host == "index.docker.io" || host == "registry-1.docker.io" ? "docker.io" : host;
}

std::string text_of(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

cri::AuthConfig auth_of(const json::object& entry, std::string_view server) {
  cri::AuthConfig auth;
  auth.server_address = server;
  auth.username = text_of(entry, "username");
  auth.password = text_of(entry, "password");
  auth.identity_token = text_of(entry, "identitytoken");
  // "auth" is base64 of "user:password".
  if (auth.username.empty()) {
    const auto decoded = base64_decode(text_of(entry, "auth"));
    const size_t colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon != std::string::npos) {
      auth.username = decoded->substr(0, colon);
      auth.password = decoded->substr(colon + 1);
    }
  }
  return auth;
}

}  // namespace

Result<std::string> normalize_image(std::string_view image) {
  const auto bad = [&] {
    return fail(Code::kInvalid, "couldn't parse image name {}: invalid reference format", quote(image));
  };
  std::string_view rest = image;
  std::string digest;
  if (const size_t at = rest.find('@'); at != std::string_view::npos) {
    digest = rest.substr(at);
    if (!digest.starts_with("@sha256:") || digest.size() != 8 + 64) return bad();
    rest = rest.substr(0, at);
  }
  std::string tag;
  const size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && rest.find('/', colon) == std::string_view::npos) {
    tag = rest.substr(colon + 1);
    if (!is_tag(tag)) return bad();
    rest = rest.substr(0, colon);
  }
  std::string domain = "docker.io";
  const size_t slash = rest.find('/');
  const std::string_view first = rest.substr(0, slash);
  if (slash != std::string_view::npos &&
      (first.find_first_of(".:") != std::string_view::npos || first == "localhost")) {
    domain = first;
    rest = rest.substr(slash + 1);
  }
  for (const std::string_view component : split(rest, '/')) {
    if (!is_component(component)) return bad();
  }
  std::string path(rest);
  if (domain == "docker.io" && path.find('/') == std::string::npos) path.insert(0, "library/");
  if (tag.empty() && digest.empty()) tag = "latest";
  return domain + "/" + path + (tag.empty() ? "" : ":" + tag) + digest;
}

std::string registry_of(std::string_view normalized) {
  return std::string(normalized.substr(0, normalized.find('/')));
}

std::optional<cri::AuthConfig> credentials_in(std::string_view docker_config_json,
                                              std::string_view registry) {
  boost::system::error_code error;
  const json::value config = json::parse(docker_config_json, error);
  if (error || !config.is_object()) return std::nullopt;
  // .dockerconfigjson has the entries below "auths"; the older .dockercfg has them at the top.
  const json::value* auths = config.get_object().if_contains("auths");
  const json::object& entries = auths && auths->is_object() ? auths->get_object() : config.get_object();
  for (const auto& entry : entries) {
    if (host_of(entry.key()) == registry && entry.value().is_object())
      return auth_of(entry.value().get_object(), entry.key());
  }
  return std::nullopt;
}

}  // namespace cloudless::kubelet
