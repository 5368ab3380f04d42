#include "apiserver/authz/bootstrap_policy_table.hpp"

namespace cloudless::apiserver::authz {

const std::string_view kBootstrapPolicyTable = R"(
role cluster-admin
  * * *
  * url *
role system:discovery
  get url /api,/api/*,/apis,/apis/*,/healthz,/livez,/openapi,/openapi/*,/readyz,/version,/version/
role system:monitoring
  get url /healthz,/healthz/*,/livez,/livez/*,/metrics,/metrics/slis,/readyz,/readyz/*
role system:basic-user
  create authorization.k8s.io selfsubjectaccessreviews,selfsubjectrulesreviews
  create authentication.k8s.io selfsubjectreviews
role system:public-info-viewer
  get url /healthz,/livez,/readyz,/version,/version/
role system:service-account-issuer-discovery
  get url /.well-known/openid-configuration,/.well-known/openid-configuration/,/openid/v1/jwks,/openid/v1/jwks/

role admin aggregates=aggregate-to-admin
role edit aggregate=aggregate-to-admin aggregates=aggregate-to-edit
role view aggregate=aggregate-to-edit aggregates=aggregate-to-view
role system:aggregate-to-admin aggregate=aggregate-to-admin
  create authorization.k8s.io localsubjectaccessreviews
  create,delete,deletecollection,get,list,patch,update,watch rbac.authorization.k8s.io rolebindings,roles
role system:aggregate-to-edit aggregate=aggregate-to-edit
  read core pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy
  impersonate core serviceaccounts
  write core pods,pods/attach,pods/exec,pods/portforward,pods/proxy
  create core pods/eviction
  write core configmaps,events,persistentvolumeclaims,replicationcontrollers,replicationcontrollers/scale,secrets,serviceaccounts,services,services/proxy
  create core serviceaccounts/token
  write apps daemonsets,deployments,deployments/rollback,deployments/scale,replicasets,replicasets/scale,statefulsets,statefulsets/scale
  write autoscaling horizontalpodautoscalers
  write batch cronjobs,jobs
  write extensions daemonsets,deployments,deployments/rollback,deployments/scale,ingresses,networkpolicies,replicasets,replicasets/scale,replicationcontrollers/scale
  write policy poddisruptionbudgets
  write networking.k8s.io ingresses,networkpolicies
  create,delete,deletecollection,get,list,patch,update,watch coordination.k8s.io leases
  write resource.k8s.io resourceclaims,resourceclaimtemplates
role system:aggregate-to-view aggregate=aggregate-to-view
  read core configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services,services/status
  read core bindings,events,limitranges,namespaces/status,pods/log,pods/status,replicationcontrollers/status,resourcequotas,resourcequotas/status
  read core namespaces
  read discovery.k8s.io endpointslices
  read apps controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,replicasets,replicasets/scale,replicasets/status,statefulsets,statefulsets/scale,statefulsets/status
  read autoscaling horizontalpodautoscalers,horizontalpodautoscalers/status
  read batch cronjobs,cronjobs/status,jobs,jobs/status
  read extensions daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,ingresses,ingresses/status,networkpolicies,replicasets,replicasets/scale,replicasets/status,replicationcontrollers/scale
  read policy poddisruptionbudgets,poddisruptionbudgets/status
  read networking.k8s.io ingresses,ingresses/status,networkpolicies
  read resource.k8s.io resourceclaims,resourceclaims/status,resourceclaimtemplates

role system:heapster
  read core events,namespaces,nodes,pods
  read extensions deployments
role system:node
  create authentication.k8s.io tokenreviews
  create authorization.k8s.io localsubjectaccessreviews,subjectaccessreviews
  read core services
  create,get,list,watch core nodes
  patch,update core nodes/status
  patch,update core nodes
  events
  read core pods
  create,delete core pods
  patch,update core pods/status
  create core pods/eviction
  read core configmaps,secrets
  get core persistentvolumeclaims,persistentvolumes
  get core endpoints
  create,get,list,watch certificates.k8s.io certificatesigningrequests
  create core serviceaccounts/token
  get,patch,update core persistentvolumeclaims/status
  get storage.k8s.io volumeattachments
  read storage.k8s.io csidrivers
  create,delete,get,patch,update storage.k8s.io csinodes
  create,delete,get,patch,update coordination.k8s.io leases
  read node.k8s.io runtimeclasses
  get resource.k8s.io resourceclaims
  deletecollection resource.k8s.io resourceslices
  create,delete,get,list,patch,update,watch resource.k8s.io resourceslices
role system:node-problem-detector
  get core nodes
  patch core nodes/status
  events
role system:kubelet-api-admin
  read core nodes
  proxy core nodes
  * core nodes/checkpoint,nodes/configz,nodes/healthz,nodes/log,nodes/metrics,nodes/pods,nodes/proxy,nodes/spec,nodes/stats
role system:node-bootstrapper
  create,get,list,watch certificates.k8s.io certificatesigningrequests
role system:auth-delegator
  create authentication.k8s.io tokenreviews
  create authorization.k8s.io subjectaccessreviews
role system:kube-aggregator
  read core endpoints,services
  read discovery.k8s.io endpointslices
role system:kube-controller-manager
  events
  create coordination.k8s.io leases
  get,update coordination.k8s.io leases kube-controller-manager
  create core secrets,serviceaccounts
  delete core secrets
  get core configmaps,namespaces,secrets,serviceaccounts
  update core secrets,serviceaccounts
  create authentication.k8s.io tokenreviews
  create authorization.k8s.io subjectaccessreviews
  list,watch * *
  create core serviceaccounts/token
role system:kube-dns
  list,watch core endpoints,services
role system:persistent-volume-provisioner
  create,delete,get,list,watch core persistentvolumes
  get,list,update,watch core persistentvolumeclaims
  read storage.k8s.io storageclasses
  watch core events
  events
role system:certificates.k8s.io:certificatesigningrequests:nodeclient
  create certificates.k8s.io certificatesigningrequests/nodeclient
role system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
  create certificates.k8s.io certificatesigningrequests/selfnodeclient
role system:certificates.k8s.io:kube-apiserver-client-approver
  approve certificates.k8s.io signers kubernetes.io/kube-apiserver-client
role system:certificates.k8s.io:kube-apiserver-client-kubelet-approver
  approve certificates.k8s.io signers kubernetes.io/kube-apiserver-client-kubelet
role system:certificates.k8s.io:kubelet-serving-approver
  approve certificates.k8s.io signers kubernetes.io/kubelet-serving
role system:certificates.k8s.io:legacy-unknown-approver
  approve certificates.k8s.io signers kubernetes.io/legacy-unknown
role system:volume-scheduler
  get,list,patch,update,watch core persistentvolumes
  read storage.k8s.io storageclasses
  get,list,patch,update,watch core persistentvolumeclaims
role system:node-proxier
  list,watch core endpoints,services
  read core nodes
  events
  list,watch discovery.k8s.io endpointslices
  list,watch networking.k8s.io servicecidrs
role system:kube-scheduler
  events
  create coordination.k8s.io leases
  get,list,update,watch coordination.k8s.io leases kube-scheduler
  create coordination.k8s.io leasecandidates
  delete,deletecollection,get,list,patch,update,watch coordination.k8s.io leasecandidates
  read core nodes
  delete,get,list,watch core pods
  create core bindings,pods/binding
  patch,update core pods/status
  read core replicationcontrollers,services
  read apps,extensions replicasets
  read apps statefulsets
  read policy poddisruptionbudgets
  read core persistentvolumeclaims,persistentvolumes
  create authentication.k8s.io tokenreviews
  create authorization.k8s.io subjectaccessreviews
  read storage.k8s.io csinodes
  read core namespaces
  read storage.k8s.io csidrivers
  read storage.k8s.io csistoragecapacities
  read storage.k8s.io volumeattachments
  read resource.k8s.io deviceclasses,resourceclaims,resourceslices
  patch,update resource.k8s.io resourceclaims,resourceclaims/status
  patch,update core pods/finalizers

bind cluster-admin cluster-admin group:system:masters
bind system:monitoring system:monitoring group:system:monitoring
bind system:discovery system:discovery group:system:authenticated
bind system:basic-user system:basic-user group:system:authenticated
bind system:public-info-viewer system:public-info-viewer group:system:authenticated group:system:unauthenticated
bind system:node-proxier system:node-proxier user:system:kube-proxy
bind system:kube-controller-manager system:kube-controller-manager user:system:kube-controller-manager
bind system:kube-dns system:kube-dns sa:kube-system/kube-dns
bind system:kube-scheduler system:kube-scheduler user:system:kube-scheduler
bind system:volume-scheduler system:volume-scheduler user:system:kube-scheduler
bind system:service-account-issuer-discovery system:service-account-issuer-discovery group:system:serviceaccounts
bind system:node system:node

controller attachdetach-controller
  list,watch core persistentvolumeclaims,persistentvolumes
  read core nodes
  patch,update core nodes/status
  list,watch core pods
  events
  create,delete,get,list,watch storage.k8s.io volumeattachments
  read storage.k8s.io csidrivers,csinodes
controller clusterrole-aggregation-controller
  escalate,get,list,patch,update,watch rbac.authorization.k8s.io clusterroles
controller cronjob-controller
  get,list,update,watch batch cronjobs
  create,delete,get,list,patch,update,watch batch jobs
  update batch cronjobs/status
  update batch cronjobs/finalizers
  delete,list core pods
  events
controller daemon-set-controller
  read extensions,apps daemonsets
  update extensions,apps daemonsets/status
  update extensions,apps daemonsets/finalizers
  list,watch core nodes
  create,delete,list,patch,watch core pods
  create core pods/binding
  create,delete,get,list,patch,update,watch apps controllerrevisions
  events
controller deployment-controller
  get,list,update,watch extensions,apps deployments
  update extensions,apps deployments/status
  update extensions,apps deployments/finalizers
  create,delete,get,list,patch,update,watch extensions,apps replicasets
  get,list,update,watch core pods
  events
controller disruption-controller
  read extensions,apps deployments
  read extensions,apps replicasets
  read core replicationcontrollers
  read policy poddisruptionbudgets
  read apps statefulsets
  update policy poddisruptionbudgets/status
  read core pods
  get * */scale
  patch,update core pods/status
  events
controller endpoint-controller
  read core pods,services
  create,delete,get,list,update core endpoints
  create core endpoints/restricted
  events
controller endpointslice-controller
  read core nodes,pods,services
  update core services/finalizers
  create,delete,get,list,update discovery.k8s.io endpointslices
  create discovery.k8s.io endpointslices/restricted
  events
controller endpointslicemirroring-controller
  read core endpoints,services
  update core services/finalizers
  update core endpoints/finalizers
  create,delete,get,list,update discovery.k8s.io endpointslices
  create discovery.k8s.io endpointslices/restricted
  events
controller expand-controller
  get,list,patch,update,watch core persistentvolumes
  patch,update core persistentvolumeclaims/status
  read core persistentvolumeclaims
  events
controller ephemeral-volume-controller
  update core pods/finalizers
  read core pods
  create,get,list,watch core persistentvolumeclaims
  events
controller resource-claim-controller
  update core pods/finalizers
  read core pods
  create,delete,get,list,watch resource.k8s.io resourceclaims
  patch,update resource.k8s.io resourceclaims,resourceclaims/status
  read resource.k8s.io resourceclaimtemplates
  patch,update core pods/status
  events
controller generic-garbage-collector
  delete,get,list,patch,update,watch * *
  events
controller horizontal-pod-autoscaler
  read autoscaling horizontalpodautoscalers
  update autoscaling horizontalpodautoscalers/status
  get,update * */scale
  list core pods
  list metrics.k8s.io pods
  get,list custom.metrics.k8s.io *
  get,list external.metrics.k8s.io *
  events
controller job-controller
  get,list,patch,update,watch batch jobs
  update batch jobs/status
  update batch jobs/finalizers
  create,delete,list,patch,watch core pods
  events
controller namespace-controller
  delete,get,list,watch core namespaces
  update core namespaces/finalize,namespaces/status
  delete,deletecollection,get,list * *
controller node-controller
  delete,get,list,patch,update,watch core nodes
  patch,update core nodes/status
  patch,update core pods/status
  delete,get,list,watch core pods
  get,list,patch,update,watch networking.k8s.io clustercidrs
  events
controller persistent-volume-binder
  create,delete,get,list,update,watch core persistentvolumes
  update core persistentvolumes/status
  get,list,update,watch core persistentvolumeclaims
  update core persistentvolumeclaims/status
  create,delete,get,list,watch core pods
  read storage.k8s.io storageclasses
  create,delete,get,update core endpoints,services
  get,list core secrets
  read core nodes
  events
controller pod-garbage-collector
  delete,list,watch core pods
  get,list core nodes
  patch,update core pods/status
controller replicaset-controller
  get,list,update,watch extensions,apps replicasets
  update extensions,apps replicasets/status
  update extensions,apps replicasets/finalizers
  create,delete,list,patch,watch core pods
  events
controller replication-controller
  get,list,update,watch core replicationcontrollers
  update core replicationcontrollers/status
  update core replicationcontrollers/finalizers
  create,delete,list,patch,watch core pods
  events
controller resourcequota-controller
  list,watch * *
  update core resourcequotas/status
  events
controller route-controller
  list,watch core nodes
  patch core nodes/status
  events
controller service-account-controller
  create core serviceaccounts
  events
controller service-controller
  read core services
  patch,update core services/status
  list,watch core nodes
  events
controller service-cidrs-controller
  get,list,patch,update,watch networking.k8s.io servicecidrs
  patch,update networking.k8s.io servicecidrs/finalizers
  patch,update networking.k8s.io servicecidrs/status
  read networking.k8s.io ipaddresses
  events
controller statefulset-controller
  list,watch core pods
  read apps statefulsets
  update apps statefulsets/status
  update apps statefulsets/finalizers
  create,delete,get,patch,update core pods
  create,delete,get,list,patch,update,watch apps controllerrevisions
  create,get core persistentvolumeclaims
  delete,update core persistentvolumeclaims
  events
controller ttl-controller
  list,patch,update,watch core nodes
  events
controller certificate-controller
  delete,get,list,watch certificates.k8s.io certificatesigningrequests
  update certificates.k8s.io certificatesigningrequests/approval,certificatesigningrequests/status
  approve certificates.k8s.io signers kubernetes.io/kube-apiserver-client-kubelet
  sign certificates.k8s.io signers kubernetes.io/kube-apiserver-client,kubernetes.io/kube-apiserver-client-kubelet,kubernetes.io/kubelet-serving,kubernetes.io/legacy-unknown
  create authorization.k8s.io subjectaccessreviews
  events
controller pvc-protection-controller
  get,list,update,watch core persistentvolumeclaims
  read core pods
  events
controller pv-protection-controller
  get,list,update,watch core persistentvolumes
  events
controller ttl-after-finished-controller
  delete,get,list,watch batch jobs
  events
controller root-ca-cert-publisher
  create,update core configmaps
  events
controller validatingadmissionpolicy-status-controller
  read admissionregistration.k8s.io validatingadmissionpolicies
  get,patch,update admissionregistration.k8s.io validatingadmissionpolicies/status
  events
controller legacy-service-account-token-cleaner
  get core configmaps kube-apiserver-legacy-service-account-token-tracking
  delete,patch core secrets
controller storage-version-migrator-controller
  get,list,patch,update,watch * *
controller selinux-warning-controller
  read core persistentvolumeclaims,persistentvolumes,pods
  read storage.k8s.io csidrivers
  events

role kube-system/extension-apiserver-authentication-reader
  read core configmaps extension-apiserver-authentication
role kube-system/system:controller:bootstrap-signer
  read core secrets
role kube-system/system:controller:cloud-provider
  create,get,list,watch core configmaps
role kube-system/system:controller:token-cleaner
  delete,get,list,watch core secrets
  events
role kube-system/system::leader-locking-kube-controller-manager
  watch core configmaps
  get,update core configmaps kube-controller-manager
role kube-system/system::leader-locking-kube-scheduler
  watch core configmaps
  get,update core configmaps kube-scheduler
role kube-public/system:controller:bootstrap-signer
  read core configmaps
  update core configmaps cluster-info
  events

bind kube-system/system::extension-apiserver-authentication-reader extension-apiserver-authentication-reader user:system:kube-controller-manager user:system:kube-scheduler
bind kube-system/system:controller:bootstrap-signer system:controller:bootstrap-signer sa:kube-system/bootstrap-signer
bind kube-system/system:controller:cloud-provider system:controller:cloud-provider sa:kube-system/cloud-provider
bind kube-system/system:controller:token-cleaner system:controller:token-cleaner sa:kube-system/token-cleaner
bind kube-system/system::leader-locking-kube-controller-manager system::leader-locking-kube-controller-manager user:system:kube-controller-manager sa:kube-system/kube-controller-manager
bind kube-system/system::leader-locking-kube-scheduler system::leader-locking-kube-scheduler user:system:kube-scheduler sa:kube-system/kube-scheduler
bind kube-public/system:controller:bootstrap-signer system:controller:bootstrap-signer sa:kube-system/bootstrap-signer
)";

}  // namespace cloudless::apiserver::authz
