// Applying objects of any kind, as `kubectl apply --server-side` does: for the further documents of an init
// file.
#pragma once

#include <string>
#include <vector>

#include "bootstrap/documents.hpp"
#include "client/client.hpp"

namespace cloudless::cli {

/// How long a document waits for what it needs: its kind, which a CustomResourceDefinition before it may just
/// have defined, and its namespace.
inline constexpr std::chrono::seconds kApplyLimit{30};
inline constexpr std::chrono::milliseconds kApplyRetry{250};

/// Applies the documents in order, `file` naming them in errors: "init.yaml:28: Deployment web: ...". A List
/// is applied item by item. The rest is still applied when one fails; the first error comes back.
runtime::Task<Result<>> apply_documents(const client::Client& client,
                                        const std::vector<bootstrap::FurtherDocument>& documents,
                                        std::string file);

}  // namespace cloudless::cli
