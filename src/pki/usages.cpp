#include "pki/usages.hpp"

#include <openssl/obj_mac.h>

#include <array>

namespace cloudless::pki {

namespace {

constexpr auto kKeyUsages = std::to_array<KeyUsage>({
    {"digital signature", 0},
    {"signing", 0},
    {"content commitment", 1},
    {"key encipherment", 2},
    {"data encipherment", 3},
    {"key agreement", 4},
    {"cert sign", 5},
    {"crl sign", 6},
    {"encipher only", 7},
    {"decipher only", 8},
});

constexpr auto kExtendedKeyUsages = std::to_array<ExtendedKeyUsage>({
    {"any", NID_anyExtendedKeyUsage},
    {"server auth", NID_server_auth},
    {"client auth", NID_client_auth},
    {"code signing", NID_code_sign},
    {"email protection", NID_email_protect},
    {"s/mime", NID_email_protect},
    {"ipsec end system", NID_ipsecEndSystem},
    {"ipsec tunnel", NID_ipsecTunnel},
    {"ipsec user", NID_ipsecUser},
    {"timestamping", NID_time_stamp},
    {"ocsp signing", NID_OCSP_sign},
    {"microsoft sgc", NID_ms_sgc},
    {"netscape sgc", NID_ns_sgc},
});

}  // namespace

std::span<const KeyUsage> key_usages() { return kKeyUsages; }
std::span<const ExtendedKeyUsage> extended_key_usages() { return kExtendedKeyUsages; }

}  // namespace cloudless::pki
