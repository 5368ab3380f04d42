// Distinguished names, alternative names and times between OpenSSL's objects and ours; for .cpp files of this
// part alone.
#pragma once

#include "pki/certificate.hpp"
#include "pki/openssl.hpp"

namespace cloudless::pki {

using OwnedName = Owned<X509_NAME, X509_NAME_free>;

Subject read_subject(const X509_NAME* name);
Result<OwnedName> make_name(const Subject& subject);

AltNames read_alt_names(const GENERAL_NAMES* names);
/// The extension for `names`; kInvalid for an address that is none.
Result<Owned<X509_EXTENSION, X509_EXTENSION_free>> make_alt_names(const AltNames& names);

WallTime read_time(const ASN1_TIME* time);
/// False where the time does not fit.
bool write_time(ASN1_TIME* to, WallTime time);

}  // namespace cloudless::pki
