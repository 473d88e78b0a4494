/*
 * A server of grpc.health.v1 that fits into any image: it answers every request with the same message, whatever was asked.
 *
 *     grpc_health PORT FILE    serves at PORT; it says SERVING while FILE is there, else NOT_SERVING
 *
 * It knows just enough of HTTP/2 (RFC 9113) for that: it reads frames, and needs no header of a request (RFC 7541 is
 * used with literals and the static table only, so that there is no state to keep).
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATA = 0, HEADERS = 1, SETTINGS = 4, PING = 6, ACK = 1, END_STREAM = 1, END_HEADERS = 4 };

static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/* :status 200 (static table 8), content-type (31) as a literal */
static const char HEAD[] = "\x88\x0f\x10\x10" "application/grpc";
static const char TRAILER[] = "\x00\x0bgrpc-status\x01" "0";

static int take(int peer, void *into, size_t size)
{
    for (size_t got = 0; got < size;) {
        ssize_t more = read(peer, (char *)into + got, size - got);
        if (more <= 0)
            return 0;
        got += more;
    }
    return 1;
}

static void give(int peer, int type, int flags, unsigned stream, const void *body, size_t size)
{
    unsigned char frame[64] = {0, size >> 8, size, type, flags, stream >> 24, stream >> 16, stream >> 8, stream};
    memcpy(frame + 9, body, size);
    if (write(peer, frame, 9 + size) < 0)
        _exit(1);
}

static void answer(int peer, unsigned stream, const char *file)
{
    unsigned char message[] = {0, 0, 0, 0, 2, 0x08, access(file, F_OK) ? 2 : 1};
    give(peer, HEADERS, END_HEADERS, stream, HEAD, sizeof HEAD - 1);
    give(peer, DATA, 0, stream, message, sizeof message);
    give(peer, HEADERS, END_HEADERS | END_STREAM, stream, TRAILER, sizeof TRAILER - 1);
}

static void serve(int peer, const char *file)
{
    static unsigned char body[1 << 14], head[9];
    if (!take(peer, body, sizeof PREFACE - 1) || memcmp(body, PREFACE, sizeof PREFACE - 1))
        return;
    give(peer, SETTINGS, 0, 0, "", 0);
    while (take(peer, head, sizeof head)) {
        size_t size = head[0] << 16 | head[1] << 8 | head[2];
        unsigned stream = (head[5] & 0x7f) << 24 | head[6] << 16 | head[7] << 8 | head[8];
        if (size > sizeof body || !take(peer, body, size))
            return;
        if ((head[3] == SETTINGS || head[3] == PING) && !(head[4] & ACK))
            give(peer, head[3], ACK, 0, body, head[3] == PING ? size : 0);
        if ((head[3] == DATA || head[3] == HEADERS) && head[4] & END_STREAM)
            answer(peer, stream, file);
    }
}

int main(int count, char **words)
{
    if (count != 3)
        return 2;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 16))
        return 1;
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int peer = accept(listener, 0, 0);
        if (peer >= 0 && !fork()) {
            serve(peer, words[2]);
            _exit(0);
        }
        close(peer);
    }
}
