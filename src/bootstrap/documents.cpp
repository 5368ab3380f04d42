#include "bootstrap/documents.hpp"

#include <boost/json.hpp>

#include "base/strings.hpp"
#include "schema/normalize.hpp"
#include "schema/struct_codec.hpp"
#include "schema/yaml.hpp"

namespace cloudless::bootstrap {

namespace {

namespace json = boost::json;

constexpr std::string_view kKubeadm = "kubeadm.k8s.io/v1beta4";
constexpr std::string_view kKubelet = "kubelet.config.k8s.io/v1beta1";
constexpr std::string_view kKubeProxy = "kubeproxy.config.k8s.io/v1alpha1";
/// Files larger than this are refused.
constexpr size_t kMaxFileBytes = 4 * 1024 * 1024;

// A document of a stream as text, and the file's line that it begins on.
struct Piece {
  std::string text;
  size_t first_line = 1;
};

// Cuts at lines "---" and "..."; both are nothing else at the beginning of a line outside of a block scalar,
// whose lines are indented.
std::vector<Piece> cut(std::string_view text) {
  std::vector<Piece> pieces(1);
  size_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    const bool divides = line == "---" || line.starts_with("--- ") || line == "..." || line == "---\r";
    if (divides) {
      pieces.push_back({"", number + 1});
      continue;
    }
    pieces.back().text += line;
    pieces.back().text += '\n';
  }
  return pieces;
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

// `unknown field "a.b"` -> a.b
std::string path_in(std::string_view complaint) {
  const size_t open = complaint.find('"');
  const size_t close = complaint.rfind('"');
  return close > open ? std::string(complaint.substr(open + 1, close - open - 1)) : std::string();
}

class Reader {
 public:
  explicit Reader(std::string_view file) : file_(file) {}

  Result<Documents> read(std::string_view text) {
    for (const Piece& piece : cut(text)) TRY(read_piece(piece));
    return std::move(out_);
  }

 private:
  template <class... Args>
  std::unexpected<Error> fail_at(size_t line, fmt::format_string<Args...> format, Args&&... args) const {
    return fail(Code::kInvalid, "{}:{}: {}", file_, line, fmt::format(format, std::forward<Args>(args)...));
  }

  Result<> read_piece(const Piece& piece) {
    const auto value = schema::parse_yaml(piece.text);
    // An empty piece, or one of comments alone, is no document.
    if (trim(without_comments(piece.text)).empty()) return {};
    if (!value) return fail_at(piece.first_line, "{}", value.error().message);
    if (!value->is_object())
      return fail_at(piece.first_line, "a document has to be an object with apiVersion and kind");
    const json::object& object = value->as_object();
    const std::string version = text_of(object, "apiVersion");
    const std::string kind = text_of(object, "kind");
    if (version.empty() || kind.empty())
      return fail_at(piece.first_line,
                     "apiVersion and kind are mandatory information that must be specified");
    if (version == kKubeadm) return read_kubeadm(piece, *value, kind);
    if (version.starts_with("kubeadm.k8s.io/"))
      return fail_at(piece.first_line,
                     "this is {}, and only {} is read: convert the file with 'kubeadm config migrate'",
                     version, kKubeadm);
    if (version == kKubelet && kind == "KubeletConfiguration") return keep(piece, out_.kubelet, object, kind);
    if (version == kKubeProxy && kind == "KubeProxyConfiguration")
      return keep(piece, out_.kube_proxy, object, kind);
    out_.further.push_back({piece.first_line, json::serialize(object)});
    return {};
  }

  static std::string without_comments(std::string_view text) {
    std::string out;
    for (const std::string_view line : split(text, '\n')) {
      if (!trim(line).starts_with('#')) out += line;
    }
    return out;
  }

  Result<> keep(const Piece& piece, std::optional<std::string>& into, const json::object& object,
                const std::string& kind) {
    if (into) return fail_at(piece.first_line, "a second {}: one file has one", kind);
    into = json::serialize(object);
    return {};
  }

  Result<> read_kubeadm(const Piece& piece, const json::value& value, const std::string& kind) {
    if (kind == "InitConfiguration") {
      note_taints(value);
      return decode(piece, value, kind, out_.init);
    }
    if (kind == "ClusterConfiguration") return decode(piece, value, kind, out_.cluster);
    if (kind == "JoinConfiguration") {
      note_taints(value);
      return decode(piece, value, kind, out_.join);
    }
    if (kind == "ResetConfiguration") return decode(piece, value, kind, out_.reset);
    return fail_at(piece.first_line + line_of(piece.text, "kind") - 1, "{} has no kind {}", kKubeadm,
                   quote(kind));
  }

  void note_taints(const json::value& value) {
    boost::system::error_code ignored;
    const json::value* taints = value.find_pointer("/nodeRegistration/taints", ignored);
    out_.has_taints = out_.has_taints || (taints && taints->is_array());
  }

  template <class T>
  Result<> decode(const Piece& piece, const json::value& value, const std::string& kind,
                  std::optional<T>& into) {
    if (into) return fail_at(piece.first_line, "a second {}: one file has one", kind);
    std::vector<std::string> complaints;
    const auto normal = schema::normalize(value, T::describe(), {.strict_errors = &complaints});
    if (!normal) return fail_at(piece.first_line, "{}: {}", kind, normal.error().message);
    if (!complaints.empty()) {
      const std::string& first = complaints.front();
      return fail_at(piece.first_line + line_of(piece.text, path_in(first)) - 1, "{} in {} ({})", first, kind,
                     kKubeadm);
    }
    auto decoded = schema::from_value<T>(*normal);
    if (!decoded) return fail_at(piece.first_line, "{}: {}", kind, decoded.error().message);
    into = std::move(*decoded);
    return {};
  }

  std::string file_;
  Documents out_;
};

}  // namespace

Result<Documents> read_documents(std::string_view text, std::string_view file) {
  if (text.size() > kMaxFileBytes)
    return fail(Code::kInvalid, "{} is larger than {} bytes", file, kMaxFileBytes);
  return Reader(file).read(text);
}

}  // namespace cloudless::bootstrap
