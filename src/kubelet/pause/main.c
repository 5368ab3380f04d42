// The process that holds a pod's namespaces open: it does nothing but reap what is left to it, and ends on
// SIGTERM or SIGINT. Freestanding (no libc), so that its image is one file of a few kilobytes.
//
// All signals of interest are blocked and taken by rt_sigtimedwait: no handler, hence no trampoline, is needed,
// and a blocked signal reaches even process 1 of a namespace.

#define SIGINT 2
#define SIGTERM 15
#define SIGCHLD 17
#define SIG_BLOCK 0
#define WNOHANG 1

#if defined(__x86_64__)
enum { SYS_rt_sigprocmask = 14, SYS_wait4 = 61, SYS_rt_sigtimedwait = 128, SYS_exit_group = 231 };

static long call4(long number, long a, long b, long c, long d) {
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
enum { SYS_rt_sigprocmask = 135, SYS_wait4 = 260, SYS_rt_sigtimedwait = 137, SYS_exit_group = 94 };

static long call4(long number, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
#else
#error "the pause program knows x86_64 and aarch64"
#endif

void _start(void) {
  unsigned long signals = 1ul << (SIGINT - 1) | 1ul << (SIGTERM - 1) | 1ul << (SIGCHLD - 1);
  call4(SYS_rt_sigprocmask, SIG_BLOCK, (long)&signals, 0, sizeof signals);
  for (;;) {
    long signal = call4(SYS_rt_sigtimedwait, (long)&signals, 0, 0, sizeof signals);
    if (signal == SIGINT || signal == SIGTERM) call4(SYS_exit_group, 0, 0, 0, 0);
    while (call4(SYS_wait4, -1, 0, WNOHANG, 0) > 0) {
    }
  }
}
