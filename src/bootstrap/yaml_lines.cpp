// Where a value stands in a YAML text.
#include <libfyaml.h>

#include <charconv>
#include <memory>

#include "base/strings.hpp"
#include "bootstrap/documents.hpp"

namespace cloudless::bootstrap {

namespace {

struct DestroyDocument {
  void operator()(fy_document* document) const { fy_document_destroy(document); }
};

// One step of a path: "networking", or "bootstrapTokens[0]" with an index behind the name.
struct Step {
  std::string name;
  int index = -1;
};

std::vector<Step> steps_of(std::string_view path) {
  std::vector<Step> steps;
  for (const std::string_view piece : split(path, '.')) {
    const size_t bracket = piece.find('[');
    Step step{std::string(piece.substr(0, bracket)), -1};
    if (bracket != std::string_view::npos)
      std::from_chars(piece.data() + bracket + 1, piece.data() + piece.size(), step.index);
    steps.push_back(std::move(step));
  }
  return steps;
}

fy_node_pair* find_pair(fy_node* mapping, const std::string& name) {
  void* at = nullptr;
  while (fy_node_pair* pair = fy_node_mapping_iterate(mapping, &at)) {
    size_t size = 0;
    const char* key = fy_node_get_scalar(fy_node_pair_key(pair), &size);
    if (key && std::string_view(key, size) == name) return pair;
  }
  return nullptr;
}

size_t line_of_key(fy_node_pair* pair) {
  fy_token* token = fy_node_get_scalar_token(fy_node_pair_key(pair));
  const fy_mark* mark = token ? fy_token_start_mark(token) : nullptr;
  return mark ? static_cast<size_t>(mark->line) + 1 : 1;
}

}  // namespace

size_t line_of(const std::string& yaml, std::string_view path) {
  fy_parse_cfg config{};
  // Whoever asks has read the text already: what was wrong with it has been said.
  config.flags =
      static_cast<fy_parse_cfg_flags>(FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_ALLOW_DUPLICATE_KEYS);
  const std::unique_ptr<fy_document, DestroyDocument> document(
      fy_document_build_from_string(&config, yaml.data(), yaml.size()));
  fy_node* node = document ? fy_document_root(document.get()) : nullptr;
  size_t line = 1;
  for (const Step& step : steps_of(path)) {
    fy_node_pair* pair = node && fy_node_is_mapping(node) ? find_pair(node, step.name) : nullptr;
    if (!pair) break;
    line = line_of_key(pair);
    node = fy_node_pair_value(pair);
    if (step.index >= 0)
      node = node && fy_node_is_sequence(node) ? fy_node_sequence_get_by_index(node, step.index) : nullptr;
  }
  return line;
}

}  // namespace cloudless::bootstrap
