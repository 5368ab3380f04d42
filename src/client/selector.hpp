// Label selectors of generated structs against the labels of an object (metav1.LabelSelectorAsSelector).
#pragma once

#include <map>
#include <string>

#include "api/meta_v1.hpp"

namespace cloudless::client {

using Labels = std::map<std::string, std::string>;

/// An empty selector matches everything; an operator that is not known matches nothing.
bool matches(const api::meta::v1::LabelSelector& selector, const Labels& labels);
/// A plain map selects what has all its pairs (Service, ReplicationController).
bool matches(const Labels& selector, const Labels& labels);

bool is_empty(const api::meta::v1::LabelSelector& selector);

}  // namespace cloudless::client
