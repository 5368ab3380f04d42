#include "cli/cli.hpp"

int main(int argc, char** argv) { return cloudless::cli::run(argc, argv); }
