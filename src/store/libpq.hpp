// PostgreSQL's client library, loaded when the first connection is made: with what it brings along (Kerberos,
// LDAP, GnuTLS) it would be a good part of the memory of every store on SQLite, which never calls it.
// For .cpp files alone.
#pragma once

#include <libpq-fe.h>

#include "base/result.hpp"

#define CLOUDLESS_LIBPQ_FUNCTIONS(X) \
  X(PQbackendPID)                    \
  X(PQclear)                         \
  X(PQcmdTuples)                     \
  X(PQconnectdbParams)               \
  X(PQconninfoFree)                  \
  X(PQconninfoParse)                 \
  X(PQconsumeInput)                  \
  X(PQerrorMessage)                  \
  X(PQescapeIdentifier)              \
  X(PQexec)                          \
  X(PQexecParams)                    \
  X(PQfinish)                        \
  X(PQfreemem)                       \
  X(PQgetlength)                     \
  X(PQgetvalue)                      \
  X(PQnotifies)                      \
  X(PQntuples)                       \
  X(PQresultErrorField)              \
  X(PQresultStatus)                  \
  X(PQsocket)                        \
  X(PQstatus)

namespace cloudless::store {

/// Its functions by their own names: `libpq().PQfinish(connection)`.
struct Libpq {
#define X(name) decltype(&::name) name = nullptr;
  CLOUDLESS_LIBPQ_FUNCTIONS(X)
#undef X
};

inline constexpr const char* kLibpqFile = "libpq.so.5";

/// The functions of a library file. kNotFound where it is missing or is another.
Result<Libpq> open_libpq(const char* file);
/// Makes libpq() usable; once that has succeeded it costs nothing. Any thread.
Result<> load_libpq();
/// After load_libpq().
const Libpq& libpq();

}  // namespace cloudless::store
