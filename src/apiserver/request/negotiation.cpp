#include "apiserver/request/negotiation.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "base/strings.hpp"

namespace cloudless::apiserver {

namespace {

const std::vector<std::string> kAcceptable = {"application/json", "application/yaml",
                                              "application/vnd.kubernetes.protobuf"};

struct Clause {
  std::string type;
  std::map<std::string, std::string> parameters;
  double quality = 1;
};

Clause parse_clause(std::string_view text) {
  Clause clause;
  bool first = true;
  for (std::string_view part : split(text, ';')) {
    part = trim(part);
    if (std::exchange(first, false)) {
      clause.type = to_lower(part);
      continue;
    }
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) continue;
    std::string_view value = trim(part.substr(equals + 1));
    if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"'))
      value = value.substr(1, value.size() - 2);
    clause.parameters[to_lower(trim(part.substr(0, equals)))] = value;
  }
  if (const auto q = clause.parameters.find("q"); q != clause.parameters.end()) {
    std::from_chars(q->second.data(), q->second.data() + q->second.size(), clause.quality);
  }
  return clause;
}

std::vector<Clause> parse_accept(const net::Headers& headers) {
  std::vector<Clause> clauses;
  for (std::string_view value : headers.all("accept")) {
    for (std::string_view text : split(value, ',')) {
      if (trim(text).empty()) continue;
      Clause clause = parse_clause(trim(text));
      // Behind those of the same quality: the client's order counts.
      const auto place = std::ranges::upper_bound(clauses, clause.quality, std::greater(), &Clause::quality);
      clauses.insert(place, std::move(clause));
    }
  }
  return clauses;
}

std::optional<Format> format_named(std::string_view type) {
  if (type == "application/json" || type == "*/*" || type == "application/*") return Format::kJson;
  if (type == "application/yaml") return Format::kYaml;
  if (type == "application/vnd.kubernetes.protobuf") return Format::kProtobuf;
  return std::nullopt;
}

bool is_meta_version(std::string_view version) { return version == "v1" || version == "v1beta1"; }

// Sets the shape that the clause asks for with as, g and v; false where the offer has none like it.
bool set_shape(const Clause& clause, const Offer& offer, MediaType& media) {
  const auto parameter = [&](const char* name) {
    const auto found = clause.parameters.find(name);
    return found == clause.parameters.end() ? std::string() : found->second;
  };
  const std::string as = parameter("as");
  if (as.empty()) return true;
  media.version = parameter("v");
  const std::string group = parameter("g");
  if (group == "meta.k8s.io" && is_meta_version(media.version)) {
    if (as == "Table" && offer.table && media.format != Format::kProtobuf) {
      media.shape = Shape::kTable;
      return true;
    }
    if ((as == "PartialObjectMetadata" || as == "PartialObjectMetadataList") && offer.partial) {
      media.shape = Shape::kPartial;
      return true;
    }
  }
  if (group == "apidiscovery.k8s.io" && as == "APIGroupDiscoveryList" && media.version == "v2" &&
      offer.aggregated) {
    media.shape = Shape::kAggregated;
    return true;
  }
  return false;
}

// Browsers and curl get indented JSON, as upstream gives them.
bool wants_pretty(const net::Headers& headers, std::string_view query) {
  for (std::string_view parameter : split(query, '&')) {
    if (!parameter.starts_with("pretty")) continue;
    const std::string_view value = parameter.substr(std::min(parameter.size(), sizeof("pretty=") - 1));
    return value != "0" && value != "false";
  }
  const std::string_view agent = headers.get("user-agent").value_or("");
  return agent.starts_with("curl") || agent.starts_with("Wget") || agent.starts_with("Mozilla/5.0");
}

}  // namespace

std::string MediaType::content_type(bool watch) const {
  std::string type = format == Format::kJson   ? "application/json"
                     : format == Format::kYaml ? "application/yaml"
                                               : "application/vnd.kubernetes.protobuf";
  if (shape == Shape::kAggregated)
    type += ";g=apidiscovery.k8s.io;v=" + version + ";as=APIGroupDiscoveryList";
  if (watch && format == Format::kProtobuf) type += ";stream=watch";
  return type;
}

ApiResult<MediaType> negotiate(const net::Headers& headers, std::string_view query, const Offer& offer) {
  const std::vector<Clause> clauses = parse_accept(headers);
  MediaType media;
  media.pretty = wants_pretty(headers, query);
  if (clauses.empty()) return media;
  for (const Clause& clause : clauses) {
    const std::optional<Format> format = format_named(clause.type);
    if (!format || (*format == Format::kYaml && !offer.yaml)) continue;
    MediaType candidate{.format = *format, .pretty = media.pretty};
    if (!set_shape(clause, offer, candidate)) continue;
    if (*format != Format::kProtobuf || offer.protobuf || candidate.shape == Shape::kPartial)
      return candidate;
  }
  std::vector<std::string> acceptable = kAcceptable;
  if (!offer.protobuf) std::erase(acceptable, "application/vnd.kubernetes.protobuf");
  if (!offer.yaml) std::erase(acceptable, "application/yaml");
  return std::unexpected(not_acceptable(acceptable));
}

std::string media_type_of(const net::Headers& headers) {
  const std::string_view type = headers.get("content-type").value_or("");
  return to_lower(trim(type.substr(0, type.find(';'))));
}

ApiResult<Format> body_format(const net::Headers& headers) {
  const std::string type = media_type_of(headers);
  if (type.empty()) return Format::kJson;
  if (const std::optional<Format> format = format_named(type)) return *format;
  return std::unexpected(unsupported_media_type(kAcceptable));
}

}  // namespace cloudless::apiserver
