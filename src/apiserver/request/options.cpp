#include "apiserver/request/options.hpp"

#include <charconv>

#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"
#include "net/http.hpp"

namespace cloudless::apiserver {

namespace {

constexpr size_t kFieldManagerLimit = 128;

StatusCause forbidden_cause(std::string field, std::string why) {
  return {"FieldValueForbidden", "Forbidden: " + std::move(why), std::move(field)};
}

StatusCause unsupported_cause(std::string field, std::string_view value, std::string_view supported) {
  return {"FieldValueNotSupported",
          fmt::format("Unsupported value: {}: supported values: {}", quote(value), supported),
          std::move(field)};
}

std::optional<int64_t> parse_number(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<StatusCause> check_list_match(const ListOptions& options, std::string_view match) {
  std::vector<StatusCause> causes;
  const std::string field = "resourceVersionMatch";
  if (!match.empty()) {
    if (options.watch && !options.send_initial_events) {
      causes.push_back(forbidden_cause(
          field, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
    }
    if (!options.watch && options.resource_version.empty()) {
      causes.push_back(
          forbidden_cause(field, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
    }
    if (!options.continue_token.empty()) {
      causes.push_back(forbidden_cause(field, "resourceVersionMatch is forbidden when continue is provided"));
    }
    if (match != "Exact" && match != "NotOlderThan") {
      causes.push_back(unsupported_cause(field, match, "\"Exact\", \"NotOlderThan\", \"\""));
    }
    if (match == "Exact" && options.resource_version == "0") {
      causes.push_back(
          forbidden_cause(field, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""));
    }
  }
  return causes;
}

std::vector<StatusCause> check_initial_events(const ListOptions& options, bool given) {
  std::vector<StatusCause> causes;
  if (!given) return causes;
  if (!options.watch) {
    causes.push_back(forbidden_cause("sendInitialEvents", "sendInitialEvents is forbidden for list"));
  } else if (options.match != VersionMatch::kNotOlderThan) {
    causes.push_back(forbidden_cause(
        "resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
  }
  return causes;
}

ApiResult<bool> parse_dry_run(const std::vector<std::string>& values, std::string_view kind) {
  if (values.empty()) return false;
  for (const std::string& value : values) {
    if (value != "All") {
      return std::unexpected(
          invalid("meta.k8s.io", kind, "", {unsupported_cause("dryRun", value, "\"All\"")}));
    }
  }
  return true;
}

ApiResult<Propagation> parse_propagation(std::string_view text) {
  if (text.empty()) return Propagation::kUnset;
  if (text == "Orphan") return Propagation::kOrphan;
  if (text == "Background") return Propagation::kBackground;
  if (text == "Foreground") return Propagation::kForeground;
  return std::unexpected(invalid(
      "meta.k8s.io", "DeleteOptions", "",
      {unsupported_cause("propagationPolicy", text, "\"Foreground\", \"Background\", \"Orphan\", \"nil\"")}));
}

ApiResult<> set_propagation(DeleteOptions& options, std::string_view policy, bool orphan_given, bool orphan) {
  options.propagation = TRY(parse_propagation(policy));
  if (!orphan_given) return {};
  if (options.propagation != Propagation::kUnset) {
    return std::unexpected(invalid(
        "meta.k8s.io", "DeleteOptions", "",
        {{"FieldValueInvalid",
          fmt::format("Invalid value: {}: orphanDependents and deletionPropagation cannot be both set",
                      quote(policy)),
          "propagationPolicy"}}));
  }
  options.propagation = orphan ? Propagation::kOrphan : Propagation::kBackground;
  return {};
}

}  // namespace

ApiResult<Query> Query::parse(std::string_view text) {
  const auto parameters = net::parse_query(text);
  if (!parameters) return std::unexpected(bad_request(parameters.error().message));
  Query query;
  for (const auto& [name, value] : *parameters) query.values_.emplace(name, value);
  return query;
}

std::string_view Query::text(std::string_view name) const {
  const auto found = values_.lower_bound(name);
  return found != values_.end() && found->first == name ? std::string_view(found->second)
                                                        : std::string_view();
}

std::vector<std::string> Query::all(std::string_view name) const {
  std::vector<std::string> out;
  for (auto [value, end] = values_.equal_range(name); value != end; ++value) out.push_back(value->second);
  return out;
}

bool Query::truth(std::string_view name) const {
  if (!has(name)) return false;
  const std::string value = to_lower(text(name));
  return value != "0" && value != "false";
}

ApiResult<std::optional<int64_t>> Query::number(std::string_view name) const {
  if (!has(name) || text(name).empty()) return std::nullopt;
  const std::optional<int64_t> number = parse_number(text(name));
  if (!number) {
    return std::unexpected(
        bad_request(fmt::format("strconv.ParseInt: parsing {}: invalid syntax", quote(text(name)))));
  }
  return number;
}

ApiResult<ListOptions> parse_list_options(const Query& query, bool watch) {
  ListOptions options;
  options.label_selector = query.text("labelSelector");
  options.field_selector = query.text("fieldSelector");
  options.watch = watch;
  options.allow_bookmarks = query.truth("allowWatchBookmarks");
  options.resource_version = query.text("resourceVersion");
  options.timeout_seconds = TRY(query.number("timeoutSeconds"));
  options.limit = TRY(query.number("limit")).value_or(0);
  options.continue_token = query.text("continue");
  const bool initial_given = query.has("sendInitialEvents");
  options.send_initial_events = query.truth("sendInitialEvents");

  const std::string_view match = query.text("resourceVersionMatch");
  if (match == "Exact") options.match = VersionMatch::kExact;
  if (match == "NotOlderThan") options.match = VersionMatch::kNotOlderThan;
  std::vector<StatusCause> causes = check_list_match(options, match);
  for (StatusCause& cause : check_initial_events(options, initial_given)) causes.push_back(std::move(cause));
  if (!causes.empty()) return std::unexpected(invalid("meta.k8s.io", "ListOptions", "", std::move(causes)));

  if (!options.resource_version.empty()) {
    const std::optional<int64_t> revision = parse_number(options.resource_version);
    if (!revision || *revision < 0) {
      return std::unexpected(
          invalid("meta.k8s.io", "ListOptions", "",
                  {{"FieldValueInvalid",
                    fmt::format("Invalid value: {0}: strconv.ParseUint: parsing {0}: invalid syntax",
                                quote(options.resource_version)),
                    "resourceVersion"}}));
    }
    options.revision = static_cast<uint64_t>(*revision);
  }
  return options;
}

ApiResult<WriteOptions> parse_write_options(const Query& query, std::string_view user_agent,
                                            std::string_view kind) {
  WriteOptions options;
  options.dry_run = TRY(parse_dry_run(query.all("dryRun"), kind));
  options.field_manager = query.text("fieldManager");
  if (options.field_manager.size() > kFieldManagerLimit) {
    return std::unexpected(invalid(
        "meta.k8s.io", kind, "",
        {{"FieldValueTooLong", fmt::format("Too long: may not be more than {} bytes", kFieldManagerLimit),
          "fieldManager"}}));
  }
  if (options.field_manager.empty()) {
    options.field_manager = user_agent.substr(0, std::min(user_agent.find('/'), kFieldManagerLimit));
    if (options.field_manager.empty()) options.field_manager = "unknown";
  }
  const std::string_view validation = query.text("fieldValidation");
  if (validation == "Ignore") options.field_validation = FieldValidation::kIgnore;
  if (validation == "Strict") options.field_validation = FieldValidation::kStrict;
  if (!validation.empty() && validation != "Ignore" && validation != "Warn" && validation != "Strict") {
    return std::unexpected(invalid(
        "meta.k8s.io", kind, "",
        {unsupported_cause("fieldValidation", validation, "\"Ignore\", \"Warn\", \"Strict\", \"\"")}));
  }
  if (query.has("force")) options.force = query.truth("force");
  return options;
}

ApiResult<DeleteOptions> parse_delete_options(const Query& query, const json::object* body) {
  DeleteOptions options;
  if (!body || body->empty()) {
    options.dry_run = TRY(parse_dry_run(query.all("dryRun"), "DeleteOptions"));
    options.grace_period_seconds = TRY(query.number("gracePeriodSeconds"));
    TRY(set_propagation(options, query.text("propagationPolicy"), query.has("orphanDependents"),
                        query.truth("orphanDependents")));
    return options;
  }
  std::vector<std::string> dry_run;
  for (const json::value& value : array_at(*body, {"dryRun"})) {
    dry_run.emplace_back(value.is_string() ? std::string_view(value.get_string()) : "");
  }
  // The query counts beside the body for what kubectl sends both ways.
  for (std::string& value : query.all("dryRun")) dry_run.push_back(std::move(value));
  options.dry_run = TRY(parse_dry_run(dry_run, "DeleteOptions"));
  if (const json::value* grace = find(*body, {"gracePeriodSeconds"}); grace && grace->is_number()) {
    options.grace_period_seconds = number_at(*body, {"gracePeriodSeconds"});
  }
  const json::value* orphan = find(*body, {"orphanDependents"});
  TRY(set_propagation(options, text_at(*body, {"propagationPolicy"}), orphan && orphan->is_bool(),
                      truth_at(*body, {"orphanDependents"})));
  options.has_uid_precondition = find(*body, {"preconditions", "uid"}) != nullptr;
  options.precondition_uid = text_at(*body, {"preconditions", "uid"});
  options.has_version_precondition = find(*body, {"preconditions", "resourceVersion"}) != nullptr;
  options.precondition_resource_version = text_at(*body, {"preconditions", "resourceVersion"});
  return options;
}

}  // namespace cloudless::apiserver
