// What the validation rules of single kinds share. For .cpp files of validation.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "schema/field_error.hpp"
#include "schema/json.hpp"
#include "schema/names.hpp"
#include "schema/object_util.hpp"
#include "schema/schema.hpp"

namespace cloudless::schema::validation {

using Object = boost::json::object;
using Array = boost::json::array;
using Value = boost::json::value;

inline constexpr std::string_view kImmutable = "field is immutable";
inline constexpr std::string_view kNotNegative = "must be greater than or equal to 0";
inline constexpr std::string_view kPositive = "must be greater than 0";

/// Collects errors; one method per common check. Absent members are skipped unless the check requires them.
class Checker {
 public:
  FieldErrors errors;

  void add(FieldError error) { errors.push_back(std::move(error)); }
  void add_all(const Path& path, std::string_view value, const Complaints& complaints) {
    for (const auto& complaint : complaints) add(invalid(path, value, complaint));
  }
  /// The text of the member; reports it when it is empty.
  std::string_view require_text(const Object& object, std::string_view name, const Path& path,
                                std::string_view detail = "");
  /// Requires the member and checks its form.
  void require_name(const Object& object, std::string_view name, const Path& path, NameCheck check);
  void check_name(const Object& object, std::string_view name, const Path& path, NameCheck check);
  void not_negative(const Object& object, std::string_view name, const Path& path);
  void positive(const Object& object, std::string_view name, const Path& path);
  void require_one_of(std::string_view value, const Path& path, std::vector<std::string_view> allowed);
  void labels(const Object* labels, const Path& path);
  void label_selector(const Object* selector, const Path& path);
  /// An integer port or a port's name.
  void port_or_name(const Value* port, const Path& path);
  /// A number or a percentage, neither negative.
  void int_or_percent(const Value* value, const Path& path);
  void quantity_not_negative(const Value& quantity, const Path& path);
  void immutable(const Object& next, const Object& old, std::string_view name, const Path& path,
                 std::string_view detail = kImmutable);
};

/// Member by name, as a JSON value that is null when absent.
Value member(const Object& object, std::string_view name);
bool same_member(const Object& a, const Object& b, std::string_view name);

/// A pod's metadata.labels and spec, as in templates.
void check_pod_template(Checker& out, const Object* pod_template, const Path& path);
void check_pod_spec(Checker& out, const Object& spec, const Path& path);

/// Rules of a kind. `old_object` is null for a new object.
using Rule = void (*)(Checker& out, const Object& object, const Object* old_object);

void pod(Checker& out, const Object& object, const Object* old_object);
void deployment(Checker& out, const Object& object, const Object* old_object);
void replica_set(Checker& out, const Object& object, const Object* old_object);
void replication_controller(Checker& out, const Object& object, const Object* old_object);
void stateful_set(Checker& out, const Object& object, const Object* old_object);
void daemon_set(Checker& out, const Object& object, const Object* old_object);
void job(Checker& out, const Object& object, const Object* old_object);
void cron_job(Checker& out, const Object& object, const Object* old_object);
void service(Checker& out, const Object& object, const Object* old_object);
void ingress(Checker& out, const Object& object, const Object* old_object);
void network_policy(Checker& out, const Object& object, const Object* old_object);
void endpoint_slice(Checker& out, const Object& object, const Object* old_object);
void config_map(Checker& out, const Object& object, const Object* old_object);
void secret(Checker& out, const Object& object, const Object* old_object);
void node(Checker& out, const Object& object, const Object* old_object);
void persistent_volume(Checker& out, const Object& object, const Object* old_object);
void persistent_volume_claim(Checker& out, const Object& object, const Object* old_object);
void storage_class(Checker& out, const Object& object, const Object* old_object);
void role(Checker& out, const Object& object, const Object* old_object);
void cluster_role(Checker& out, const Object& object, const Object* old_object);
void role_binding(Checker& out, const Object& object, const Object* old_object);
void pod_disruption_budget(Checker& out, const Object& object, const Object* old_object);
void horizontal_pod_autoscaler(Checker& out, const Object& object, const Object* old_object);
void lease(Checker& out, const Object& object, const Object* old_object);
void priority_class(Checker& out, const Object& object, const Object* old_object);
void custom_resource_definition(Checker& out, const Object& object, const Object* old_object);

}  // namespace cloudless::schema::validation
