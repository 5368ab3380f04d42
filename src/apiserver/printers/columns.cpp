#include "apiserver/printers/columns.hpp"

#include <algorithm>

#include "apiserver/custom/custom_resource.hpp"
#include "apiserver/printers/json_path.hpp"
#include "base/strings.hpp"
#include "schema/selector.hpp"

namespace cloudless::apiserver {

namespace {

json::array plain_row(const json::object& object, WallTime now) {
  return {name_of(object), age_cell(object, now)};
}

constexpr BuiltinPrinter kPlain{"", "", "Name,Age", plain_row};

// Columns whose cells are numbers.
bool is_number(std::string_view name) {
  constexpr std::string_view kNumbers[] = {
      "Desired",  "Current",           "Up-to-date",  "Available",
      "Data",     "Secrets",           "Replicas",    "Allowed Disruptions",
      "Revision", "Webhooks",          "Validations", "ParamKind",
      "Value",    "MatchingPrecedence"};
  return std::ranges::find(kNumbers, name) != std::end(kNumbers);
}

std::vector<Column> parse_columns(std::string_view text) {
  std::vector<Column> columns;
  for (std::string_view name : split(text, ',')) {
    Column column;
    if (name.ends_with('*')) {
      name.remove_suffix(1);
      column.priority = 1;
    }
    column.name = name;
    if (name == "Name") column.format = "name";
    if (is_number(name)) column.type = "integer";
    columns.push_back(std::move(column));
  }
  return columns;
}

const BuiltinPrinter& find_builtin(const GroupResource& id) {
  for (const auto printers :
       {workload_printers(), network_printers(), config_printers(), cluster_printers()}) {
    for (const BuiltinPrinter& printer : printers) {
      if (printer.group == id.group && printer.resource == id.resource) return printer;
    }
  }
  return kPlain;
}

json::value custom_cell(const CustomColumn& column, const json::object& object, WallTime now) {
  const json::value* value = json_path(object, column.json_path);
  if (!value || value->is_null()) return nullptr;
  if (column.column.type == "date") {
    return value->is_string() ? json::value(human_age(value->get_string(), now)) : json::value(nullptr);
  }
  if (column.column.type == "string" && !value->is_string()) return json::string(json::serialize(*value));
  return *value;
}

PrinterPtr custom_printer(const ResourceType& type, const Representation& representation) {
  auto printer = std::make_shared<Printer>();
  printer->columns.push_back({.name = "Name", .format = "name"});
  const std::vector<CustomColumn>& columns = type.custom->columns(representation.version);
  for (const CustomColumn& column : columns) printer->columns.push_back(column.column);
  if (columns.empty()) printer->columns.push_back({.name = "Age", .type = "date"});
  printer->row = [custom = type.custom, &columns](const json::object& object, WallTime now) {
    json::array cells{name_of(object)};
    for (const CustomColumn& column : columns) cells.push_back(custom_cell(column, object, now));
    if (columns.empty()) cells.push_back(age_cell(object, now));
    return cells;
  };
  return printer;
}

}  // namespace

PrinterPtr scale_printer() {
  const BuiltinPrinter& builtin = find_builtin({"autoscaling", "scale"});
  return std::make_shared<const Printer>(parse_columns(builtin.columns), builtin.row);
}

PrinterPtr printer_of(const ResourceType& type, const Representation& representation) {
  if (type.custom) return custom_printer(type, representation);
  const BuiltinPrinter& builtin = find_builtin(type.id);
  return std::make_shared<const Printer>(parse_columns(builtin.columns), builtin.row);
}

json::value text_cell(std::string_view text, std::string_view if_empty) {
  return json::string(text.empty() ? if_empty : text);
}

json::value age_cell(const json::object& object, WallTime now) {
  return json::string(human_age(text_at(object, {"metadata", "creationTimestamp"}), now));
}

std::string format_labels(const json::object* labels) {
  std::vector<std::string> pairs;
  if (labels) {
    for (const auto& [name, value] : *labels) {
      pairs.push_back(fmt::format("{}={}", std::string_view(name),
                                  value.is_string() ? std::string_view(value.get_string()) : ""));
    }
  }
  std::ranges::sort(pairs);
  return pairs.empty() ? "<none>" : join(pairs, ",");
}

std::string format_selector(const json::object* selector) {
  if (!selector) return "<none>";
  const Result<schema::LabelSelector> parsed = schema::LabelSelector::from_value(*selector);
  if (!parsed) return "<error>";
  std::string text = parsed->to_string();
  return text.empty() ? "<none>" : text;
}

namespace {

std::string joined_members(const json::array& containers, std::string_view member) {
  std::vector<std::string> texts;
  for (const json::value& container : containers) {
    if (container.is_object()) texts.emplace_back(text_at(container.get_object(), {member}));
  }
  return join(texts, ",");
}

}  // namespace

std::string container_names(const json::array& containers) { return joined_members(containers, "name"); }
std::string container_images(const json::array& containers) { return joined_members(containers, "image"); }

// k8s.io/apimachinery/pkg/util/duration.HumanDuration.
std::string human_age(std::string_view timestamp, WallTime now) {
  if (timestamp.empty()) return "<unknown>";
  const Result<WallTime> time = parse_rfc3339(timestamp);
  if (!time) return "<unknown>";
  const int64_t seconds = std::chrono::floor<std::chrono::seconds>(now - *time).count();
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return fmt::format("{}s", seconds);
  const int64_t minutes = seconds / 60;
  const int64_t hours = minutes / 60;
  const int64_t days = hours / 24;
  const auto two = [](int64_t large, char large_unit, int64_t small, char small_unit) {
    return small == 0 ? fmt::format("{}{}", large, large_unit)
                      : fmt::format("{}{}{}{}", large, large_unit, small, small_unit);
  };
  if (minutes < 10) return two(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return fmt::format("{}m", minutes);
  if (hours < 8) return two(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return fmt::format("{}h", hours);
  if (hours < 192) return two(days, 'd', hours % 24, 'h');
  if (days < 730) return fmt::format("{}d", days);
  if (days < 2920) return two(days / 365, 'y', days % 365, 'd');
  return fmt::format("{}y", days / 365);
}

}  // namespace cloudless::apiserver
