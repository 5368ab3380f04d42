// Filler: objects with every field set, made from the schema of their type, for tests that no field may
// escape.
//
// A value tells where it stands: two fields hold different values wherever their type allows it, and nothing
// is zero.
#pragma once

#include <boost/json/value.hpp>

#include <string>

#include "schema/schema.hpp"

namespace cloudless::api::testing {

/// Which of the members that exclude each other (volume sources, probe handlers, ...) are set.
enum class Unions {
  kAll,  // every member of a struct; rules about them are broken
  kOne,  // lists get an element for each member; elsewhere one member by turns
};

class Filler {
 public:
  explicit Filler(Unions unions = Unions::kAll, int turn = 0) : unions_(unions), turn_(turn) {}

  boost::json::value fill(const schema::Schema& type) { return fill(type, 0); }
  /// An object of a kind, with kind and apiVersion, normalized.
  boost::json::value object(const schema::Schema& kind);
  /// The value of one field, as fill() makes it.
  boost::json::value member(const schema::Field& field) { return member(field, 0); }

 private:
  boost::json::value fill(const schema::Schema& type, int schema_depth);
  boost::json::value fill_struct(const schema::Schema& type, int schema_depth, int chosen);
  boost::json::value fill_list(const schema::Schema& type, int schema_depth);
  boost::json::value member(const schema::Field& field, int schema_depth);
  std::string text_for(const schema::Field& field);

  Unions unions_;
  int turn_;
  int count_ = 0;
};

/// "apps/v1", or "v1" for the core group and meta kinds.
std::string api_version_of(const schema::Schema& kind);

}  // namespace cloudless::api::testing
