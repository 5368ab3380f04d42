// The text of the bootstrap policy. Lines, words apart by blanks:
//
//     role NAME [aggregate=LABEL] [aggregates=LABEL]   a ClusterRole; both labels below
//     rbac.authorization.k8s.io/ role NAMESPACE/NAME                              a Role
//       VERBS GROUPS RESOURCES [NAMES]                 a rule; lists by commas; "core" is the core group
//       VERBS url PATHS
//     bind NAME ROLE SUBJECT...                        a ClusterRoleBinding
//     bind NAMESPACE/NAME ROLE SUBJECT...              a RoleBinding to the Role in the namespace
//     controller NAME                                  a ClusterRole system:controller:NAME, bound to the
//                                                      service account NAME of kube-system
//
// Subjects: user:NAME, group:NAME, sa:NAMESPACE/NAME. `read` stands for get,list,watch; `write` for
// create,delete,deletecollection,patch,update; `events` for the rule that lets a component write events.
#pragma once

#include <string_view>

namespace cloudless::apiserver::authz {

extern const std::string_view kBootstrapPolicyTable;

}  // namespace cloudless::apiserver::authz
