#include "schema/schema.hpp"

#include "base/encoding.hpp"
#include "schema/resource.hpp"

namespace cloudless::schema {

const Field* Schema::find(std::string_view field_name, size_t* hint) const {
  const size_t count = fields.size();
  const size_t start = hint && *hint < count ? *hint : 0;
  for (size_t step = 0, i = start; step < count; ++step, i = i + 1 == count ? 0 : i + 1) {
    if (fields[i].name == field_name) {
      if (hint) *hint = i + 1;
      return &fields[i];
    }
  }
  return nullptr;
}

const Schema kString{.form = Form::kString};
const Schema kBool{.form = Form::kBool};
const Schema kInt32{.form = Form::kInt32};
const Schema kInt64{.form = Form::kInt64};
const Schema kDouble{.form = Form::kDouble};
const Schema kBytes{.form = Form::kBytes};
const Schema kQuantity{
    .form = Form::kQuantity, .name = "Quantity", .package = "k8s.io.apimachinery.pkg.api.resource"};
const Schema kIntOrString{
    .form = Form::kIntOrString, .name = "IntOrString", .package = "k8s.io.apimachinery.pkg.util.intstr"};
const Schema kTime{.form = Form::kTime, .name = "Time", .package = "k8s.io.apimachinery.pkg.apis.meta.v1"};
const Schema kMicroTime{
    .form = Form::kMicroTime, .name = "MicroTime", .package = "k8s.io.apimachinery.pkg.apis.meta.v1"};
const Schema kDuration{
    .form = Form::kDuration, .name = "Duration", .package = "k8s.io.apimachinery.pkg.apis.meta.v1"};
const Schema kRawExtension{
    .form = Form::kRawExtension, .name = "RawExtension", .package = "k8s.io.apimachinery.pkg.runtime"};
const Schema kFieldsV1{
    .form = Form::kFieldsV1, .name = "FieldsV1", .package = "k8s.io.apimachinery.pkg.apis.meta.v1"};
const Schema kJson{.form = Form::kJson,
                   .name = "JSON",
                   .package = "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1"};
const Schema kStringList{.form = Form::kStringList, .items = &kString};
const Schema kAny{.form = Form::kAny, .preserve_unknown = true};

std::string storage_version_hash(std::string_view group, std::string_view version, std::string_view kind) {
  std::string text;
  text.append(group).append("/").append(version).append("/").append(kind);
  return base64_encode(sha256(text).substr(0, 8));
}

}  // namespace cloudless::schema
