// Two JSON texts, cut at the first zero byte: a document and a patch of each kind. No crash, whatever they
// are.
#include <boost/json.hpp>

#include "api/apps_v1.hpp"
#include "schema/defaulting.hpp"
#include "schema/json.hpp"
#include "schema/managed_fields.hpp"
#include "schema/normalize.hpp"
#include "schema/patch.hpp"
#include "schema/validation.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cloudless::schema;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cut = input.find('\0');
  if (cut == std::string_view::npos) return 0;
  const auto document = parse_json(input.substr(0, cut));
  const auto patch = parse_json(input.substr(cut + 1));
  if (!document || !patch) return 0;
  const Schema& schema = cloudless::api::apps::v1::Deployment::describe();
  (void)apply_json_patch(*document, *patch);
  (void)apply_merge_patch(*document, *patch);
  (void)apply_strategic_merge_patch(*document, *patch, schema);
  auto live = normalize(*document, schema);
  if (!live) return 0;
  apply_defaults(*live, schema);
  (void)validate(*live, schema, Scope::kNamespaced);
  (void)apply(*live, *patch, schema, {"fuzz", "apps/v1", ""}, Force::kYes, {}, nullptr);
  if (const auto next = normalize(*patch, schema)) {
    (void)track_update(*live, *next, schema, {"fuzz", "apps/v1", ""}, {});
    (void)validate_update(*next, *live, schema, Scope::kNamespaced);
  }
  return 0;
}
