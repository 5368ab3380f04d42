#include "schema/pattern.hpp"

#include <re2/re2.h>

namespace cloudless::schema {

namespace {

/// For the compiled program and the states that matching remembers.
constexpr int64_t kMaxPatternBytes = 4 << 20;

RE2::Options options() {
  RE2::Options out;
  out.set_log_errors(false);
  out.set_max_mem(kMaxPatternBytes);
  return out;
}

class Re2Pattern final : public Pattern {
 public:
  explicit Re2Pattern(std::string_view expression)
      : expression_(re2::StringPiece(expression.data(), expression.size()), options()) {}

  const RE2& expression() const { return expression_; }
  bool is_found_in(std::string_view text) const override {
    return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), expression_);
  }

 private:
  const RE2 expression_;
};

}  // namespace

Result<std::shared_ptr<const Pattern>> Pattern::compile(std::string_view expression) {
  auto pattern = std::make_shared<const Re2Pattern>(expression);
  if (!pattern->expression().ok())
    return fail(Code::kInvalid, "error parsing regexp: {}", pattern->expression().error());
  return pattern;
}

}  // namespace cloudless::schema
