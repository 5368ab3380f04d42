#include "store/testing/postgres_server.hpp"

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "store/pg_connection.hpp"

namespace cloudless::store::testing {
namespace {

constexpr const char* kBinaries = "/usr/lib/postgresql/15/bin/";

// PostgreSQL refuses to run as root.
void become_postgres() {
  if (::geteuid() != 0) return;
  const passwd* const user = ::getpwnam("postgres");
  if (!user || ::initgroups(user->pw_name, user->pw_gid) != 0 || ::setgid(user->pw_gid) != 0 ||
      ::setuid(user->pw_uid) != 0) {
    ::_exit(126);
  }
}

int spawn(const std::string& program, std::vector<std::string> arguments, const std::string& log) {
  const int pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
  (void)!::freopen(log.c_str(), "a", stdout);
  (void)!::freopen(log.c_str(), "a", stderr);
  become_postgres();
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv((kBinaries + program).c_str(), argv.data());
  ::_exit(127);
}

}  // namespace

PostgresServer::PostgresServer() {
  if (const passwd* const user = ::getpwnam("postgres"); user && ::geteuid() == 0) {
    EXPECT_EQ(::chown(directory_.path().c_str(), user->pw_uid, user->pw_gid), 0);
  }
  const int setup =
      spawn("initdb", {"-D", directory_.file("data"), "-A", "trust", "--no-sync", "-U", "postgres"},
            directory_.file("initdb.log"));
  int status = 0;
  ::waitpid(setup, &status, 0);
  EXPECT_EQ(status, 0) << "initdb failed; is postgresql-15 installed?";
  start();
}

void PostgresServer::start() {
  pid_ = spawn("postgres",
               {"-D", directory_.file("data"), "-k", directory_.path(), "-c", "listen_addresses=", "-c",
                "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=60"},
               directory_.file("server.log"));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  PgConnection probe(fmt::format("postgresql:///postgres?host={}&user=postgres", directory_.path()));
  while (!probe.connect()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "PostgreSQL does not start";
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void PostgresServer::crash() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGQUIT);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

PostgresServer::~PostgresServer() { crash(); }

PostgresServer& PostgresServer::shared() {
  static PostgresServer server;
  return server;
}

std::string PostgresServer::new_database() {
  return fmt::format("postgresql:///test{}?host={}&user=postgres", ++databases_, directory_.path());
}

}  // namespace cloudless::store::testing
