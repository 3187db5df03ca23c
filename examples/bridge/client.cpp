// A model in plain C++17 without any library, written from docs/protocol.md alone: it wants to be a
// lot long where a row's first feature is above 0, and a lot short where it is below.
// Build it: g++ -std=c++17 -O2 -o client client.cpp; start it: ./client --connect ADDRESS
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

using Text = std::string;
using Number = uint64_t;
constexpr int64_t NO_TARGET = INT64_MIN;
constexpr Number FRAME_BYTES_MAX = 64 << 20;
static Text big_endian(Number value, int bytes) {
    Text out;
    while (bytes--) out += char(value >> (8 * bytes));
    return out;
}
static void require(bool fine, const char* what) { if (!fine) throw std::runtime_error(what); }

// --- msgpack: what is written, and what is read ---
static Text packed(Number value) { return '\xcf' + big_endian(value, 8); }
static Text packed(bool value) { return Text(1, value ? '\xc3' : '\xc2'); }
static Text packed(const char* text) { return '\xda' + big_endian(strlen(text), 2) + text; }
template <class... Fields> static Text message(const char* name, Fields... fields) {
    return "TWB1" + Text(1, char(0x91 + sizeof...(fields))) + packed(name) + (Text() + ... + packed(fields));
}

struct Reader {
    const Text& frame;
    size_t at = 4;
    Number big(int bytes) {
        Number value = 0;
        while (bytes--) value = value << 8 | uint8_t(frame.at(at++));
        return value;
    }
    // What stands in the first byte of a value or behind it: it has `kinds` kinds of more bytes each.
    Number head(Number fix, Number mask, Number first, Number kinds, int shift, const char* what) {
        const Number kind = big(1);
        if ((kind & ~mask) == fix) return kind & mask;
        require(kind >= first && kind < first + kinds, what);
        return big(1 << (kind - first + shift));
    }
    Number number() { return head(0, 0x7f, 0xcc, 4, 0, "expected a number"); }  // of 0 or more
    Number items() { return head(0x90, 0x0f, 0xdc, 2, 1, "expected an array"); }
    Text text() {
        const Number size = head(0xa0, 0x1f, 0xd9, 3, 0, "expected text");
        require(size <= frame.size() - at, "a text beyond its frame");
        return frame.substr((at += size) - size, size);
    }
};

// --- ZMTP 3.0: frames over a stream socket ---
class Connection {
    int fd_ = -1;
    template <class Address> void dial(int family, const Address& to) {
        fd_ = socket(family, SOCK_STREAM, 0);
        require(!connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to), "nobody is there");
    }
    static Text framed(const Text& body, int flags) {
        if (body.size() < 256) return Text(1, char(flags)) + char(body.size()) + body;
        return Text(1, char(flags | 2)) + big_endian(body.size(), 8) + body;
    }
    void write(const Text& bytes) {
        const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        require(sent == ssize_t(bytes.size()), "the run is gone");
    }
    Text read(size_t size) {
        Text bytes(size, 0);
        require(!size || recv(fd_, &bytes[0], size, MSG_WAITALL) == ssize_t(size), "the run is gone");
        return bytes;
    }

public:
    explicit Connection(const Text& endpoint) {
        if (endpoint.rfind("ipc://", 0) == 0) {
            sockaddr_un to{AF_UNIX, {}};
            endpoint.copy(to.sun_path, sizeof to.sun_path - 1, 6);
            dial(AF_UNIX, to);
        } else {  // tcp://127.0.0.1:PORT
            const size_t colon = endpoint.rfind(':');
            sockaddr_in to{AF_INET, htons(uint16_t(std::stoi(endpoint.substr(colon + 1)))), {}, {}};
            inet_pton(AF_INET, endpoint.substr(6, colon - 6).c_str(), &to.sin_addr);
            dial(AF_INET, to);
        }
        const Text greeting = "\xff" + Text(8, 0) + "\x7f\x03" + Text(1, 0) + "NULL" + Text(48, 0);
        write(greeting + framed("\x05READY\x0bSocket-Type" + big_endian(6, 4) + "DEALER", 4));
        read(64);
    }
    void say(const Text& header, const Text& array = "") {  // in one write: tcp waits for no second
        write(array.empty() ? framed(header, 0) : framed(header, 1) + framed(array, 0));
    }
    std::vector<Text> hear() {
        std::vector<Text> frames;
        for (int flags = 1; flags & 1 || flags & 4;) {
            flags = read(1)[0];
            Number size = 0;
            for (const char c : read(flags & 2 ? 8 : 1)) size = size << 8 | uint8_t(c);
            require(size <= FRAME_BYTES_MAX && frames.size() < 4, "too large a message");
            const Text body = read(size);
            if (!(flags & 4)) frames.push_back(body);  // else a command, of which PING wants an answer
            else if (body.compare(0, 5, "\x04PING") == 0) write(framed("\x04PONG" + body.substr(7), 4));
        }
        return frames;
    }
};

static int serve(Connection run) {
    Number columns = 0;
    run.say(message("hello", Number(1), "client.cpp", Number(getpid()), "float64", false));
    for (;;) {
        const std::vector<Text> frames = run.hear();
        require(frames[0].compare(0, 4, "TWB1") == 0, "expected a message of the bridge");
        Reader in{frames[0]};
        const Text name = (in.items(), in.text());
        if (name == "welcome") {
            require(in.number() == 1, "expected version 1 of the protocol");
            in.text(), in.text(), columns = in.items();  // behind the strategy's name and the mode
        } else if (name == "features") {
            const Number first_row = in.number(), rows = in.number();
            require(columns && frames.size() == 4 && frames[3].size() == rows * columns * 8, "expected rows");
            Text targets;
            for (Number row = 0; row < rows; ++row) {
                double feature;
                memcpy(&feature, &frames[3][row * columns * 8], 8);  // little-endian, as this machine
                const int64_t target = feature != feature ? NO_TARGET : (feature > 0) - (feature < 0);
                targets.append(reinterpret_cast<const char*>(&target), 8);
            }
            run.say(message("signals", first_row, rows, false, Number(0), Number(0)), targets);
        } else if (name == "error" || name == "goodbye") {
            const Text reason = in.text();
            return reason.empty() ? 0 : throw std::runtime_error("the run: " + reason);
        }  // instruments, updates, close, heartbeat: nothing that this model needs
    }
}

int main(int argc, char** argv) try {
    require(argc == 3 && Text(argv[1]) == "--connect", "usage: client --connect ADDRESS");
    return serve(Connection(argv[2]));
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << "\n";
    return 1;
}
