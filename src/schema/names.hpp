// The formats of names, keys and values that Kubernetes objects use, with upstream's explanations
// (k8s.io/apimachinery/pkg/util/validation). Each function returns what is wrong; empty means valid.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cloudless::schema {

using Complaints = std::vector<std::string>;

inline constexpr size_t kMaxDns1123Label = 63;
inline constexpr size_t kMaxDns1123Subdomain = 253;
inline constexpr size_t kMaxLabelValue = 63;
/// All annotations of an object together, keys and values.
inline constexpr size_t kMaxAnnotationsBytes = 256 * 1024;

/// RFC 1123 label: "web-1".
Complaints check_dns1123_label(std::string_view text);
/// RFC 1123 subdomain: "web.example.com".
Complaints check_dns1123_subdomain(std::string_view text);
/// RFC 1035 label: starts with a letter (Service names).
Complaints check_dns1035_label(std::string_view text);
/// "example.com/app", "app": label keys, annotation keys, resource names.
Complaints check_qualified_name(std::string_view text);
Complaints check_label_value(std::string_view text);
/// "*.example.com".
Complaints check_wildcard_dns1123_subdomain(std::string_view text);
/// A port's name, IANA_SVC_NAME.
Complaints check_port_name(std::string_view text);
Complaints check_port_number(int64_t port);
/// Keys of ConfigMaps and Secrets.
Complaints check_config_map_key(std::string_view text);
/// Names of environment variables: any printable ASCII but '='.
Complaints check_env_var_name(std::string_view text);
/// Names that become a segment of a URL path (roles): not ".", "..", no '/' or '%'.
Complaints check_path_segment_name(std::string_view text);
Complaints check_ip(std::string_view text);
Complaints check_cidr(std::string_view text);
/// A prefix of names that end in five random characters.
using NameCheck = Complaints (*)(std::string_view);

bool is_ipv4(std::string_view text);
bool is_ipv6(std::string_view text);

}  // namespace cloudless::schema
