#include "apiserver/admission/limit_ranger.hpp"

#include "apiserver/admission/pod_edits.hpp"
#include "apiserver/admission/pod_resources.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver::admission {

using runtime::Task;

namespace {

constexpr std::string_view kAnnotation = "kubernetes.io/limit-ranger";

// Calls `visit` for each item of the LimitRange about `type`.
template <class Visit>
void for_each_item(const json::object& limit_range, std::string_view type, Visit visit) {
  for (const json::value& item : array_at(limit_range, {"spec", "limits"})) {
    if (item.is_object() && text_at(item.get_object(), {"type"}) == type) visit(item.get_object());
  }
}

Amounts amounts_at(const json::object& object, Path path) {
  const json::object* list = object_at(object, path);
  return list ? read_amounts(*list) : Amounts();
}

// Members of `defaults` that `list` lacks; their names.
std::vector<std::string> fill(json::object& resources, std::string_view list, const json::object* defaults) {
  std::vector<std::string> set;
  if (!defaults) return set;
  for (const auto& [name, value] : *defaults) {
    json::object& target = make_object(resources, {list});
    if (target.contains(name)) continue;
    target[name] = value;
    set.emplace_back(name);
  }
  return set;
}

// Checks one thing against one item of a LimitRange.
class BoundCheck {
 public:
  BoundCheck(std::string_view type, Amounts requests, Amounts limits)
      : type_(type), requests_(std::move(requests)), limits_(std::move(limits)) {}

  void check(const json::object& item) {
    for (const auto& [name, bound] : amounts_at(item, {"min"})) check_min(name, bound);
    for (const auto& [name, bound] : amounts_at(item, {"max"})) check_max(name, bound);
    for (const auto& [name, bound] : amounts_at(item, {"maxLimitRequestRatio"})) check_ratio(name, bound);
  }
  std::vector<std::string> take() { return std::move(broken_); }

 private:
  static const schema::NanoUnits* find_amount(const Amounts& amounts, const std::string& name) {
    const auto at = amounts.find(name);
    return at == amounts.end() ? nullptr : &at->second;
  }

  void report(std::string_view bound_kind, const std::string& name, schema::NanoUnits bound,
              const std::string& but) {
    broken_.push_back(
        fmt::format("{} {} usage per {} is {}{}", bound_kind, name, type_, amount_text(bound, name), but));
  }

  void check_min(const std::string& name, schema::NanoUnits bound) {
    const auto* request = find_amount(requests_, name);
    const auto* limit = find_amount(limits_, name);
    if (!request) {
      report("minimum", name, bound, ".  No request is specified");
    } else if (*request < bound) {
      report("minimum", name, bound, ", but request is " + amount_text(*request, name));
    } else if (limit && *limit < bound) {
      report("minimum", name, bound, ", but limit is " + amount_text(*limit, name));
    }
  }

  void check_max(const std::string& name, schema::NanoUnits bound) {
    const auto* request = find_amount(requests_, name);
    const auto* limit = find_amount(limits_, name);
    if (!limit && type_ != "PersistentVolumeClaim") {
      report("maximum", name, bound, ".  No limit is specified");
    } else if (limit && *limit > bound) {
      report("maximum", name, bound, ", but limit is " + amount_text(*limit, name));
    } else if (request && *request > bound) {
      report("maximum", name, bound, ", but request is " + amount_text(*request, name));
    }
  }

  void check_ratio(const std::string& name, schema::NanoUnits bound) {
    const auto* request = find_amount(requests_, name);
    const auto* limit = find_amount(limits_, name);
    const std::string head =
        fmt::format("{} max limit to request ratio per {} is {}", name, type_,
                    schema::format_quantity({bound, schema::QuantityFormat::kDecimalSI}));
    if (!request || *request == 0) {
      broken_.push_back(head + ", but no request is specified or request is 0");
    } else if (!limit || *limit == 0) {
      broken_.push_back(head + ", but no limit is specified or limit is 0");
    } else {
      const double ratio = static_cast<double>(*limit) / static_cast<double>(*request);
      if (ratio > static_cast<double>(bound) / 1e9)
        broken_.push_back(fmt::format("{}, but provided ratio is {:.6f}", head, ratio));
    }
  }

  const std::string_view type_;
  const Amounts requests_;
  const Amounts limits_;
  std::vector<std::string> broken_;
};

void append(std::vector<std::string>& to, std::vector<std::string> items) {
  to.insert(to.end(), std::make_move_iterator(items.begin()), std::make_move_iterator(items.end()));
}

Task<ApiResult<std::vector<ObjectPtr>>> ranges_of(Objects& objects, std::string namespace_) {
  co_return co_await objects.list({"", "limitranges"}, namespace_);
}

}  // namespace

void apply_default_limits(const json::object& limit_range, json::object& pod,
                          std::vector<std::string>& notes) {
  for_each_item(limit_range, "Container", [&](const json::object& item) {
    for_each_container(make_object(pod, {"spec"}), [&](json::object& container) {
      json::object& resources = make_object(container, {"resources"});
      // A limit without a request is a request too; defaults of requests must not stand in its way.
      const json::object* limits = object_at(resources, {"limits"});
      const json::object of_container = limits ? *limits : json::object();
      fill(resources, "requests", &of_container);
      const auto requests_set = fill(resources, "requests", object_at(item, {"defaultRequest"}));
      const auto limits_set = fill(resources, "limits", object_at(item, {"default"}));
      const std::string_view name = text_at(container, {"name"});
      if (!requests_set.empty())
        notes.push_back(fmt::format("{} request for container {}", join(requests_set, ", "), name));
      if (!limits_set.empty())
        notes.push_back(fmt::format("{} limit for container {}", join(limits_set, ", "), name));
    });
  });
}

std::vector<std::string> check_pod_limits(const json::object& limit_range, const json::object& pod) {
  std::vector<std::string> broken;
  const json::object* spec = object_at(pod, {"spec"});
  if (!spec) return broken;
  for_each_item(limit_range, "Container", [&](const json::object& item) {
    for_each_container(*spec, [&](const json::object& container, std::string_view list) {
      if (list == "ephemeralContainers") return;
      BoundCheck check("Container", amounts_at(container, {"resources", "requests"}),
                       amounts_at(container, {"resources", "limits"}));
      check.check(item);
      append(broken, check.take());
    });
  });
  for_each_item(limit_range, "Pod", [&](const json::object& item) {
    BoundCheck check("Pod", pod_amounts(*spec, ResourceKind::kRequests),
                     pod_amounts(*spec, ResourceKind::kLimits));
    check.check(item);
    append(broken, check.take());
  });
  return broken;
}

std::vector<std::string> check_claim_limits(const json::object& limit_range, const json::object& claim) {
  BoundCheck check("PersistentVolumeClaim", amounts_at(claim, {"spec", "resources", "requests"}), {});
  for_each_item(limit_range, "PersistentVolumeClaim", [&](const json::object& item) { check.check(item); });
  return check.take();
}

Task<ApiResult<>> LimitRanger::admit(AdmissionRequest& request) {
  if (!is_on(request, "", "pods") || request.operation != Operation::kCreate) co_return ApiResult<>();
  std::vector<std::string> notes;
  for (const ObjectPtr& range : CO_TRY(co_await ranges_of(objects_, request.namespace_)))
    apply_default_limits(*range, *request.object, notes);
  if (!notes.empty())
    make_object(*request.object, {"metadata", "annotations"})[kAnnotation] =
        "LimitRanger plugin set: " + join(notes, "; ");
  co_return ApiResult<>();
}

Task<ApiResult<>> LimitRanger::validate(const AdmissionRequest& request) {
  const bool on_pod = is_on(request, "", "pods") && request.operation == Operation::kCreate;
  const bool on_claim = is_on(request, "", "persistentvolumeclaims");
  if (!on_pod && !on_claim) co_return ApiResult<>();
  std::vector<std::string> broken;
  for (const ObjectPtr& range : CO_TRY(co_await ranges_of(objects_, request.namespace_)))
    append(broken,
           on_pod ? check_pod_limits(*range, *request.object) : check_claim_limits(*range, *request.object));
  if (broken.empty()) co_return ApiResult<>();
  co_return refuse(request, broken.size() == 1 ? broken.front() : "[" + join(broken, ", ") + "]");
}

}  // namespace cloudless::apiserver::admission
